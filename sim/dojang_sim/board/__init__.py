"""A board simulated at the pins of its FPGA (docs/reference/board-simulation.md)."""
