"""What a node does, cycle by cycle."""

import numpy as np
from dojang_hdl.config import ChipConfig
from dojang_hdl.isa import Op
from dojang_hdl.mesh.flit import DataKind
from dojang_hdl.mesh.reader import StreamReader
from dojang_hdl.node.sequencer import Sequencer, Unit
from dojang_sim.profile import Signal
from dojang_sim.waves.formats import codes_of, fsm_states

from ..compile import GATHER_TAGS, Phase
from .errors import ProfileError
from .instructions import Instruction

__all__ = ["ACTIVITIES", "DECIDING", "GATHER", "NodeTimeline", "States"]

ACTIVITIES = ("engine", "vector unit", "mover", "candidates", "waits for a load", "waits for its program", "sequencer",
              "waits for a gather", "stopped")
"""What a sequencer is at; of several nodes the first in this order is what the others wait for."""

GATHER, STOPPED = ACTIVITIES.index("waits for a gather"), ACTIVITIES.index("stopped")

DECIDING = ("state", "unit", "program_valid")
"""Taps that, with the instruction, tell the activity."""


class States:
    """Codes of state machines, from the hardware itself, by name."""

    def __init__(self, config: ChipConfig):
        def codes(component, *name: str) -> dict[str, int]:
            return {state: code for code, state in fsm_states(component, *name).table}

        self.sequencer = codes(Sequencer(config))
        self.reader = codes(StreamReader(config.plane_fifo, config.chunk, DataKind.PLANES), "state")
        self.unit = {name: code for code, name in codes_of(Unit).table}


class NodeTimeline:
    """A node's part of a pass.

    Members
    -------
    instructions: those that were executed, in order.
    begins, executes, ends: cycles of each: its fetch begins, its unit or its wait begins, the next one's fetch begins.
    phases: of each, in which it is executed: a STREAM, which is ahead of its use, counts where it stands.
    """

    def __init__(self, signals: dict[str, Signal], states: States, instructions: list[Instruction], cycles: int):
        self.signals, self._states, self.cycles = signals, states.sequencer, cycles
        self._units = {states.unit[unit]: ACTIVITIES.index(name) for unit, name in
                       (("ENGINE", "engine"), ("VECTOR", "vector unit"), ("MOVER", "mover"),
                        ("CANDIDATES", "candidates"))}
        times, values = signals["state"].times, signals["state"].values
        begun = np.flatnonzero(values == self._states["FETCH_HEAD"])
        if len(begun) != len(instructions) or instructions[-1].op is not Op.END:
            raise ProfileError(f"a node began {len(begun)} instructions, expected the {len(instructions)} of its "
                               "program")
        self.instructions = instructions
        self.phases = _phases(instructions)
        self.begins = times[begun].astype(np.int64)
        stopped = times[np.flatnonzero(values == self._states["IDLE"])]
        self.ends = np.append(self.begins[1:], min(stopped[stopped > self.begins[-1]], default=cycles))
        started = np.flatnonzero(np.isin(values, [self._states[name] for name in ("ISSUE", "WAIT")]))
        self.executes = self.ends.copy()  # of a NOP
        self.executes[np.searchsorted(self.begins, times[started], side="right") - 1] = times[started]
        self._tags = np.array([instruction.fields["tag"] for instruction in instructions])

    def at(self, cycles: np.ndarray) -> np.ndarray:
        """Numbers of the instructions in some cycles; that of the first before it begins."""
        return np.maximum(np.searchsorted(self.begins, cycles, side="right") - 1, 0)

    def activity(self, cycles: np.ndarray) -> np.ndarray:
        """Indices into `ACTIVITIES`."""
        state, codes = self.signals["state"].at(cycles), self._states
        result = np.full(len(cycles), ACTIVITIES.index("sequencer"), np.uint8)
        unit = self.signals["unit"].at(cycles)
        for code, activity in self._units.items():
            result[(state == codes["EXECUTE"]) & (unit == code)] = activity
        fetching = (state == codes["FETCH_HEAD"]) | (state == codes["FETCH_REST"])
        result[fetching & (self.signals["program_valid"].at(cycles) == 0)] = ACTIVITIES.index("waits for its program")
        waiting = state == codes["WAIT"]
        gather = np.isin(self._tags[self.at(cycles)], GATHER_TAGS)
        result[waiting & gather] = GATHER
        result[waiting & ~gather] = ACTIVITIES.index("waits for a load")
        result[state == codes["IDLE"]] = STOPPED
        return result


def _phases(instructions: list[Instruction]) -> list[Phase]:
    phase = next(each.phase for each in instructions if each.op is not Op.STREAM)
    found = []
    for instruction in instructions:
        phase = phase if instruction.op is Op.STREAM else instruction.phase
        found.append(phase)
    return found
