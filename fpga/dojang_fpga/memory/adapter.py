"""A LiteDRAM core as a memory of the chip."""

from collections.abc import Mapping
from functools import cached_property

from amaranth.hdl import Instance, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from dojang_hdl.memory import MemoryPort, MemoryStatus

from .control import ControlRegisters
from .core import LiteDramCore, core
from .dram import Dram
from .native import NativeAdapter

__all__ = ["LiteDramMemory"]


class LiteDramMemory(wiring.Component):
    """The memory chips of a board with their controller, PHY and PLL.

    Its own logic is in ``sync``, which has to be driven by ``clk`` and ``rst``. Before the host has initialised the
    memory over the control window (`dojang_hdl.memory_control`) commands end as ever, but words are lost or wrong.
    From a read command to its first word: some 25 cycles for DDR3, 20 for SDR.

    Parameters
    ----------
    dram: the memory.
    clock_hz, input_hz: frequency of ``clk``, and of ``clk_in``.
    pads: IOValue for each name of the core's `pads`: "ddram_a", "sdram_dq", … (for differential pairs the positive
        pin). A pad may be missing where the board has no such pin. None if simulated.
    simulated: no PLL (``clk`` is ``clk_in``, or half of it if the SDRAM has two clocks a cycle) and no pads: a model of
        the memory is in the core, its contents is the file that the environment variable ``DOJANG_MEMORY_<channel>``
        names. Needs `dojang_sim.board.memory.SOURCES` and the core's Verilog (`LiteDramMemory.core`) in the build.
    channel, words: of that file; the whole memory if not given.
    settings: of LiteDRAM's controller, see `core`.

    Members
    -------
    clk_in, rst_in: the board's oscillator; reset of everything, asynchronous.
    clk, rst: the core clock and its reset.
    port: `MemoryPort`; commands of up to 1,023 words.
    status: `MemoryStatus`, all 0.
    initialised, error: what the host has made of it (LEDs).
    """

    clk_in: In(1)
    rst_in: In(1)
    clk: Out(1)
    rst: Out(1)
    port: In(MemoryPort())
    status: In(MemoryStatus())
    initialised: Out(1)
    error: Out(1)

    def __init__(self, dram: Dram, clock_hz: float, input_hz: float, pads: Mapping[str, object] | None = None,
                 simulated: bool = False, channel: int = 0, words: int | None = None, **settings):
        if simulated != (pads is None):
            raise ValueError("pads are needed unless simulated, and only then")
        self._dram, self._clock_hz, self._input_hz = dram, clock_hz, input_hz
        self._pads, self._simulated, self._channel = pads, simulated, channel
        self._words, self._settings = words or dram.words, settings
        super().__init__()

    @cached_property
    def core(self) -> LiteDramCore:
        """The generated core. Raises `CoreError`."""
        return core(self._dram, self._clock_hz, self._input_hz, self._simulated, self._words,
                    **self._settings)

    def elaborate(self, platform):
        m = Module()
        made = self.core
        m.submodules.adapter = adapter = NativeAdapter(made.address_bits, made.data_bits)
        m.submodules.control = control = ControlRegisters(made.constants, made.addresses)
        wiring.connect(m, wiring.flipped(self.port), adapter.port)
        wiring.connect(m, adapter.control, control.control)
        m.d.comb += [self.initialised.eq(control.initialised), self.error.eq(control.error)]

        native, bus = adapter.native, control.bus
        connections: dict[str, object] = {
            "i_clk_in": self.clk_in, "i_rst_in": self.rst_in, "o_clk": self.clk, "o_rst": self.rst,
            "i_cmd_valid": native.command.valid, "o_cmd_ready": native.command.ready,
            "i_cmd_we": native.command.payload.write, "i_cmd_addr": native.command.payload.addr,
            "i_wdata_valid": native.write.valid, "o_wdata_ready": native.write.ready,
            "i_wdata_data": native.write.payload.data, "i_wdata_we": native.write.payload.mask,
            "o_rdata_valid": native.read_valid, "o_rdata_data": native.read,
            "i_csr_adr": bus.address, "i_csr_we": bus.write, "i_csr_dat_w": bus.write_data, "o_csr_dat_r": bus.data,
        }
        if self._simulated:
            connections |= {"p_CHANNEL": self._channel, "p_WORDS": self._words}
        pads = self._pads or {}
        for pad in made.pads:
            if pad.name in pads:
                connections[f"{'io' if pad.direction == 'io' else 'o'}_{pad.name}"] = pads[pad.name]
        m.submodules.core = Instance("litedram_core", **connections)
        if platform is not None:
            platform.add_file("litedram_core.v", made.verilog)
        return m
