"""When a plane of a unit of rows goes into the lanes of a coded engine."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import BLOCK

__all__ = ["QueuedIssue"]


class QueuedIssue(wiring.Component):
    """An `Issue` whose results `SumQueue` takes, and which decides on a step the cycle before: all of it is registers.

    A row's step may come again as soon as the next pass's activations are ready.

    Parameters
    ----------
    lanes: rows of a unit: 1, 2 or 4.

    Members
    -------
    start, rows, passes, bits, busy: as of `Issue`.
    planes: planes of units. ``ready`` depends on registers only, and may be high without a command.
    fresh, completes: the pass is the first, the last of its product; of the next one in the cycle after ``advance``.
    aligned: falls in the cycle after a step with ``begins``, for as long as a row must not come again.
    room, place: with ``completes``: there is room for the unit's results, for the product's factors.
    starved: `SumQueue`'s.
    advance: pulse, a pass's last plane will go in the next cycle.
    step, plane, first, last, begins: as of `Issue`.
    step_fresh, step_completes: with ``step``: of its pass.
    waiting_planes, waiting_activations: a step is due, and this is the first thing missing.
    waiting_scales: no step is due, or there is no room or place for one, and results wait for their factors.
    """

    ahead = 1
    """Cycles from the decision on a step to the step."""

    def __init__(self, lanes: int):
        self._lanes = lanes
        width = BLOCK * lanes
        super().__init__({
            "start": In(1), "rows": In(16), "passes": In(16), "bits": In(4),
            "fresh": In(1), "completes": In(1), "room": In(1), "place": In(1), "starved": In(1), "aligned": In(1),
            "planes": In(stream.Signature(width)), "busy": Out(1),
            "advance": Out(1), "step": Out(1), "plane": Out(width), "first": Out(1), "last": Out(1), "begins": Out(1),
            "step_fresh": Out(1), "step_completes": Out(1),
            "waiting_planes": Out(1), "waiting_scales": Out(1), "waiting_activations": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        # Of the next step: everything that it hangs on is ready in registers.
        first, last, begins, ends = Signal(), Signal(), Signal(), Signal()
        plane, rows, passes = Signal(4), Signal(16), Signal(16)

        kept = Signal()                                   # a plane that no step has yet
        m.d.comb += self.planes.ready.eq(~kept)
        with m.If(self.planes.ready):
            m.d.sync += self.plane.eq(self.planes.payload)

        due, go = Signal(), Signal()
        open_ = (~begins | self.place | ~self.completes) & (~last | self.room | ~self.completes)
        began = Signal()                                  # a pass may have a single step: not aligned for the next one
        aligned, there = ~begins | self.aligned & ~began, kept | self.planes.valid
        m.d.comb += [
            due.eq(self.busy & open_), go.eq(due & aligned & there), self.advance.eq(go & last & ends),
            self.waiting_activations.eq(due & ~aligned),
            self.waiting_planes.eq(due & aligned & ~there),
            self.waiting_scales.eq(~due & self.starved),
        ]
        m.d.sync += [kept.eq(there & ~go), began.eq(go & begins), self.step.eq(go),
                     self.first.eq(first), self.last.eq(last), self.begins.eq(begins),
                     self.step_fresh.eq(self.fresh), self.step_completes.eq(self.completes)]

        one_plane, one_unit = self.bits == 1, self.rows == self._lanes
        with m.If(go):
            m.d.sync += [plane.eq(Mux(last, self.bits, plane - 1)), first.eq(last),
                         last.eq(Mux(last, one_plane, plane == 2)), begins.eq(last & ends)]
            with m.If(last):
                m.d.sync += [rows.eq(Mux(ends, self.rows, rows - self._lanes)),
                             ends.eq(Mux(ends, one_unit, rows == 2 * self._lanes))]
                with m.If(ends):
                    m.d.sync += [passes.eq(passes - 1), self.busy.eq(passes != 1)]
        with m.If(self.start):
            m.d.sync += [self.busy.eq(1), passes.eq(self.passes), rows.eq(self.rows), ends.eq(one_unit),
                         plane.eq(self.bits), first.eq(1), last.eq(one_plane), begins.eq(1)]
        return m
