"""Folds a stream of results into one FP32 value."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..isa import Reduce
from .extremum import Extremum, WordExtremum
from .sum import Sum

__all__ = ["Reducer"]


class Reducer(wiring.Component):
    """Folds a command's results by its `Reduce`.

    Parameters
    ----------
    lanes: results per cycle, 1 or an SRAM word's. To sum, words must come exactly every second cycle.

    Members
    -------
    start, mode: begins a fold of that kind; ``mode`` stays constant until ``done``.
    valid: a bit per lane, from the lowest on.
    last, z: results, at most one per cycle and lane.
    done: pulse at the end of any mode.
    write, result: in the cycle of ``done``, whether ``result`` is a new scalar.
    """

    def __init__(self, lanes: int = 1):
        self._lanes = lanes
        super().__init__({
            "start": In(1), "mode": In(Reduce), "valid": In(lanes), "last": In(1), "z": In(32 * lanes),
            "done": Out(1), "write": Out(1), "result": Out(32)})

    def elaborate(self, platform):
        m = Module()
        wide = self._lanes > 1
        m.submodules.sum = total = Sum(2 if wide else 1)
        m.submodules.extremum = extremum = WordExtremum() if wide else Extremum()
        use_sum, use_extremum = self.mode == Reduce.SUM, self.mode[1]
        element = (self.valid, self.last, self.z)
        for fold, use, (valid, last, z) in ((total, use_sum, self._halves(m) if wide else element),
                                            (extremum, use_extremum, element)):
            m.d.comb += [fold.start.eq(self.start), fold.valid.eq(valid & use.replicate(len(valid))),
                         fold.last.eq(last), fold.z.eq(z)]
        m.d.comb += [
            extremum.absolute.eq(self.mode == Reduce.MAXABS),
            self.write.eq(total.done | extremum.done),
            self.result.eq(Mux(use_sum, total.result, extremum.result)),
            self.done.eq(self.write | ((self.mode == Reduce.NONE) & self.valid[0] & self.last)),
        ]
        return m

    def _halves(self, m):
        """``valid``, ``last`` and ``z`` of two elements per cycle: a word's lower half at once, then the upper one."""
        half = self._lanes // 2
        upper_valid, upper_last = Signal(half), Signal()
        upper = Signal(32 * half)
        m.d.sync += upper_valid.eq(self.valid[half:])
        with m.If(self.valid[half]):
            m.d.sync += [upper_last.eq(self.last), upper.eq(self.z[32 * half:])]
        return (self.valid[:half] | upper_valid,
                Mux(upper_valid[0], upper_last, self.last & ~self.valid[half]),
                Mux(upper_valid[0], upper, self.z[:32 * half]))
