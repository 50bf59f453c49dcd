"""A board's memory alone, for benches of the memory port."""

import hashlib
from pathlib import Path

from amaranth.hdl import ClockDomain, ClockSignal, DomainRenamer, Module, ResetSignal, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In
from dojang_fpga.memory import Dram, LiteDramMemory
from dojang_hdl.memory import MemoryPort

from dojang_sim.toolchain import cache_root, writing_cache

from . import DDR3_SOURCES, SDR_SOURCES

__all__ = ["BoardMemory"]


class BoardMemory(wiring.Component):
    """`LiteDramMemory` with the model of its memory, channel 1.

    ``sync`` is the core clock, or the SDRAM's if there are two in a core clock: words then move in every other cycle.

    Members
    -------
    port: `MemoryPort`.
    """

    port: In(MemoryPort())

    def __init__(self, dram: Dram, clock_hz: float, words: int, **settings):
        self.memory = LiteDramMemory(dram, clock_hz, clock_hz, simulated=True, channel=1, words=words, **settings)
        self._double = dram.sdr_rate == 2
        self._models = DDR3_SOURCES if dram.kind == "ddr3" else SDR_SOURCES
        super().__init__()

    def sources(self) -> tuple[Path, ...]:
        """What the Verilator build needs besides this component."""
        text = self.memory.core.verilog
        path = cache_root() / "litedram" / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.v"
        if not path.exists():
            with writing_cache(path.parent):
                path.write_text(text)
        return (path, *self._models)

    def elaborate(self, platform):
        m = Module()
        m.domains.core = core = ClockDomain(local=True)
        memory = self.memory
        m.submodules.memory = DomainRenamer("core")(memory)
        m.d.comb += [memory.clk_in.eq(ClockSignal()), memory.rst_in.eq(ResetSignal()),
                     core.clk.eq(memory.clk), core.rst.eq(memory.rst)]
        moves = Signal()   # a cycle that ends with an edge of the core clock
        if self._double:
            here, there = Signal(reset_less=True), Signal(reset_less=True)
            m.d.core += there.eq(~there)
            m.d.sync += here.eq(there)
            m.d.comb += moves.eq(here == there)
        else:
            m.d.comb += moves.eq(1)
        for inside, outside in ((memory.port.command, self.port.command), (memory.port.write, self.port.write)):
            m.d.comb += [inside.valid.eq(outside.valid), inside.payload.eq(outside.payload),
                         outside.ready.eq(inside.ready & moves)]
        read = memory.port.read
        m.d.comb += [self.port.read.valid.eq(read.valid & moves), read.ready.eq(self.port.read.ready),
                     self.port.read.payload.eq(read.payload)]
        return m
