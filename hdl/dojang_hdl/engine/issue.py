"""When a plane of a unit of rows goes into the lanes."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import BLOCK
from .formats import SPREAD

__all__ = ["Issue"]


class Issue(wiring.Component):
    """Walks passes, units and planes in the order of the stream; a step per cycle while nothing is missing.

    A pass is all rows of a block of columns.

    Parameters
    ----------
    lanes: rows of a unit: 1, 2 or 4.
    interval: fewest cycles from a row's step to the same row's in the next pass.

    Members
    -------
    start: pulse while idle; the five fields below must stay until ``busy`` falls.
    rows, passes, bits: shape; rows is a multiple of 4, none is 0.
    spread: fewest cycles from a unit's end to the next one's in the last pass; ``lanes`` in others that complete.
    completes: results leave the lanes in this pass.
    planes: planes of units. ``ready`` depends on registers only.
    aligned: the next pass's activations are ready.
    scaled: the next unit's factors are ready.
    step: ``plane`` goes to the lanes.
    plane: 32 bits a lane.
    first, last: first and last plane of its unit.
    begins, ends: with ``step``: the first step of a pass; with ``step`` and ``last``: the last one.
    busy: steps are left.
    waiting_planes, waiting_scales, waiting_activations: a step is due, and this is the first thing missing.
    """

    def __init__(self, lanes: int, interval: int):
        self._lanes, self._interval = lanes, interval
        width = BLOCK * lanes
        super().__init__({
            "start": In(1), "rows": In(16), "passes": In(16), "bits": In(4), "spread": In(SPREAD), "completes": In(1),
            "planes": In(stream.Signature(width)), "aligned": In(1), "scaled": In(1),
            "step": Out(1), "plane": Out(width), "first": Out(1), "last": Out(1),
            "begins": Out(1), "ends": Out(1), "busy": Out(1),
            "waiting_planes": Out(1), "waiting_scales": Out(1), "waiting_activations": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        rows, passes, plane = Signal(16), Signal(16), Signal(4)
        age, gap = Signal(range(self._interval + 1)), Signal(SPREAD)
        first_step, last_pass = Signal(), Signal()
        final = rows == self._lanes
        paced = ~first_step | (age == self._interval)
        spread = ~(self.last & self.completes) | (gap == 0)
        due = Signal()
        allowed = Signal()
        m.d.comb += [
            self.first.eq(plane == self.bits), self.last.eq(plane == 1),
            self.ends.eq(final), self.begins.eq(first_step),
            due.eq(self.busy & paced & spread),
            allowed.eq(due & (~first_step | self.aligned) & (~self.last | self.scaled)),
            self.step.eq(allowed & self.planes.valid),
            self.planes.ready.eq(allowed), self.plane.eq(self.planes.payload),
            self.waiting_activations.eq(due & first_step & ~self.aligned),
            self.waiting_planes.eq(due & (~first_step | self.aligned) & ~self.planes.valid),
            self.waiting_scales.eq(due & (~first_step | self.aligned) & self.planes.valid & self.last & ~self.scaled),
        ]

        m.d.sync += last_pass.eq(passes == Mux(self.step & self.last & final, 2, 1))
        with m.If(gap != 0):
            m.d.sync += gap.eq(gap - 1)
        with m.If((age != self._interval) & (self.step | first_step)):
            m.d.sync += age.eq(age + 1)
        with m.If(self.step):
            m.d.sync += [plane.eq(plane - 1), first_step.eq(0)]
            with m.If(first_step):
                m.d.sync += age.eq(1)
            with m.If(self.last):
                m.d.sync += [plane.eq(self.bits), rows.eq(rows - self._lanes)]
                with m.If(self.completes):
                    m.d.sync += gap.eq(Mux(last_pass, self.spread, self._lanes) - 1)
                with m.If(final):
                    m.d.sync += [rows.eq(self.rows), passes.eq(passes - 1), first_step.eq(1),
                                 self.busy.eq(passes != 1)]
        with m.If(self.start):
            m.d.sync += [self.busy.eq(1), rows.eq(self.rows), passes.eq(self.passes), plane.eq(self.bits),
                         first_step.eq(1), age.eq(self._interval), gap.eq(0)]
        return m
