"""The node: SRAM, sequencer, mover, candidate list, and how they join engine, vector unit and routers."""
