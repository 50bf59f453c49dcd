"""What a node does, cycle by cycle."""

import numpy as np
from dojang_hdl.isa import Op
from dojang_hdl.node.instruction import Unit
from dojang_sim.profile import Signal

from ..compile import GATHER_TAGS
from .errors import ProfileError
from .instructions import Instruction

__all__ = ["ACTIVITIES", "DECIDING", "GATHER", "NodeTimeline"]

ACTIVITIES = ("engine", "vector unit", "mover", "candidates", "waits for a load", "waits for its program", "sequencer",
              "waits for a gather", "stopped")
"""What a node is at; of several nodes the first in this order is what the others wait for."""

GATHER, STOPPED = ACTIVITIES.index("waits for a gather"), ACTIVITIES.index("stopped")

DECIDING = ("running", "head_valid", "program_valid", "program_ready", "busy")
"""Taps that, with the instruction, tell the activity."""

UNITS = {Unit.ENGINE: "engine", Unit.VECTOR: "vector unit", Unit.MOVER: "mover", Unit.CANDIDATES: "candidates"}

UNIT_OF = {Op.GEMV: Unit.ENGINE, Op.VEC: Unit.VECTOR, Op.TOPK: Unit.CANDIDATES}
"""The mover executes the others, but for STREAM and WAIT."""


class NodeTimeline:
    """A node's part of a pass.

    Members
    -------
    instructions: those that were executed, in order.
    offered, taken: cycles of each: it is resolved; its unit has just accepted it, or the words of a WAIT are there.
    executes, done: cycles in which its unit, or its wait, begins and ends; of a STREAM both are ``taken``.
    phases, begins, ends: of those that are no STREAMs, which are issued while others are executed: the phase, and from
        when to when the node is at it, that is, from the end of the one before on.
    """

    def __init__(self, signals: dict[str, Signal], instructions: list[Instruction], cycles: int):
        self.signals, self.instructions = signals, instructions
        times, valid = signals["head_valid"].times.astype(np.int64), signals["head_valid"].values != 0
        self.offered = times[valid]
        self.taken = times[1:][~valid[1:]]
        if len(self.offered) != len(instructions) or len(self.taken) != len(instructions) or (
                instructions[-1].op is not Op.END):
            raise ProfileError(f"a node began {len(self.offered)} instructions, expected the {len(instructions)} of "
                               "its program")
        ops = np.array([instruction.op for instruction in instructions])
        self.executes, self.done = self.taken.copy(), self.taken.copy()
        for unit in UNITS:
            own = np.array([op not in (Op.STREAM, Op.WAIT) and UNIT_OF.get(op, Unit.MOVER) == unit for op in ops])
            self.done[own] = self._idle_from(unit, self.taken[own], cycles)
        main = np.flatnonzero(ops != Op.STREAM)
        self.phases = [instructions[index].phase for index in main]
        self.ends = np.maximum.accumulate(self.done[main])
        self.begins = np.append(self.offered[0], self.ends[:-1])
        waits = ops[main] == Op.WAIT   # from the end of the one before on, if the words are not there by then
        waiting = main[waits]
        self.executes[waiting] = np.minimum(np.maximum(self.offered[waiting], self.begins[waits]), self.taken[waiting])
        self._waits, self._gathers = (np.append(which, False) for which in (ops == Op.WAIT, np.isin(
            [instruction.fields["tag"] for instruction in instructions], GATHER_TAGS)))

    def _idle_from(self, unit: int, cycles: np.ndarray, end: int) -> np.ndarray:
        """The first cycles, from some on, in which a unit does not work."""
        busy = self.signals["busy"]
        idle = np.append(busy.times[(busy.values >> unit) & 1 == 0], end).astype(np.int64)
        later = idle[np.searchsorted(idle, cycles)]
        return np.where((busy.at(cycles) >> unit) & 1 == 0, cycles, later)

    def at(self, cycles: np.ndarray) -> np.ndarray:
        """Numbers, among those that are no STREAMs, of the instructions that the node is at in some cycles: the first
        before it begins, the last after its end.
        """
        return np.minimum(np.searchsorted(self.ends, cycles, side="right"), len(self.ends) - 1)

    def activity(self, cycles: np.ndarray) -> np.ndarray:
        """Indices into `ACTIVITIES`."""
        running, valid, word, asked, busy = (self.signals[name].at(cycles) for name in DECIDING)
        head = np.searchsorted(self.taken, cycles, side="right")
        waits = (valid != 0) & self._waits[head]
        result = np.full(len(cycles), ACTIVITIES.index("sequencer"), np.uint8)
        result[(valid == 0) & (asked != 0) & (word == 0)] = ACTIVITIES.index("waits for its program")
        result[waits & self._gathers[head]] = GATHER
        result[waits & ~self._gathers[head]] = ACTIVITIES.index("waits for a load")
        for unit, name in UNITS.items():
            result[(busy >> unit) & 1 != 0] = ACTIVITIES.index(name)
        result[running == 0] = STOPPED
        return result
