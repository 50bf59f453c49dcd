"""A LiteDRAM core as a memory of the chip."""

from collections.abc import Mapping

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from dojang_hdl.memory import MemoryPort, MemoryStatus

from .dram import Dram

__all__ = ["LiteDramMemory"]


class LiteDramMemory(wiring.Component):
    """The memory chips of a board with their controller, PHY and PLL.

    Its own logic is in ``sync``, which has to be driven by ``clk`` and ``rst``. Until the host has initialised it over
    the control window, it takes no commands of other addresses.

    Parameters
    ----------
    dram: the memory.
    clock_hz, input_hz: frequency of ``clk``, and of ``clk_in``.
    pads: IOValue for each name of the core's `pads`: "ddram_a", "sdram_dq", … (for differential pairs the positive
        pin). None if simulated.
    simulated: no PLL (``clk`` is ``clk_in``) and no pads: a model of the memory is in the core, the contents is the
        file that the environment variable ``DOJANG_MEMORY_<channel>`` names.

    Members
    -------
    clk_in, rst_in: the board's oscillator; reset of everything, asynchronous.
    clk, rst: the core clock and its reset.
    port: `MemoryPort`; commands of up to 511 words.
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
                 simulated: bool = False, channel: int = 0):
        if simulated != (pads is None):
            raise ValueError("pads are needed unless simulated, and only then")
        self._dram, self._clock_hz, self._input_hz = dram, clock_hz, input_hz
        self._pads, self._simulated, self._channel = pads, simulated, channel
        super().__init__()

    def elaborate(self, platform):
        return Module()
