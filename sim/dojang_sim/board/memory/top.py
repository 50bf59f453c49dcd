"""A board's memory alone, for benches of the memory port."""

import hashlib
from pathlib import Path

from amaranth.hdl import ClockSignal, Module, ResetSignal
from amaranth.lib import wiring
from amaranth.lib.wiring import In
from dojang_fpga.memory import Dram, LiteDramMemory
from dojang_hdl.memory import MemoryPort

from dojang_sim.toolchain import cache_root

from . import DDR3_SOURCES, SDR_SOURCES

__all__ = ["BoardMemory"]


class BoardMemory(wiring.Component):
    """`LiteDramMemory` with the model of its memory, channel 1.

    Members
    -------
    port: `MemoryPort`.
    """

    port: In(MemoryPort())

    def __init__(self, dram: Dram, clock_hz: float, words: int, **settings):
        self.memory = LiteDramMemory(dram, clock_hz, clock_hz, simulated=True, channel=1, words=words, **settings)
        self._models = DDR3_SOURCES if dram.kind == "ddr3" else SDR_SOURCES
        super().__init__()

    def sources(self) -> tuple[Path, ...]:
        """What the Verilator build needs besides this component."""
        text = self.memory.core.verilog
        path = cache_root() / "litedram" / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.v"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return (path, *self._models)

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = memory = self.memory
        wiring.connect(m, wiring.flipped(self.port), memory.port)
        m.d.comb += [memory.clk_in.eq(ClockSignal()), memory.rst_in.eq(ResetSignal())]
        return m
