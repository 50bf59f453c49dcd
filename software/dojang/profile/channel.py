"""What a memory channel does, cycle by cycle, and why it does nothing."""

from collections.abc import Iterator
from functools import cache

import numpy as np
from dojang_hdl.mesh.flit import DataKind
from dojang_hdl.mesh.requester import Requester
from dojang_sim.profile import NODE_TAPS, PROGRAM, READERS, Kind, PassRecord, Signal
from dojang_sim.waves.formats import fsm_states

from .node import ACTIVITIES, GATHER, NodeTimeline

__all__ = ["CAUSES", "FULL", "MEMORY", "NOTHING", "ChannelTimeline", "reader_states"]

FULL, NOTHING = "FIFOs full: ", "nothing asked for: "

MEMORY = ("the pins move words for later, or of the guard", "refresh", "turn-around", "memory latency")

CAUSES = ("busy", "the network takes no reply", *MEMORY, "a READ waits behind urgent ones",
          "a request is on its way",
          *(FULL + activity for activity in ACTIVITIES), *(NOTHING + activity for activity in ACTIVITIES))
"""Why no word crosses a memory port, if it is not busy; the first that holds counts. Where readers are the reason, what
the node is at that the others wait for.
"""

CHUNK = 1 << 16
"""Segments worked on at once."""

NODE_STATES = [tap.name for tap in NODE_TAPS if tap.kind is Kind.STATE]


@cache
def reader_states() -> dict[str, int]:
    """Codes of the states of what requests words, from the hardware itself, by name."""
    return {state: code for code, state in fsm_states(Requester(2, 2, DataKind.PLANES), "state").table}


class ChannelTimeline:
    """A channel's part of a pass: segments in which nothing changes.

    Members
    -------
    begins, lengths: of the segments, in cycles. cycles_of_pass: their sum.
    causes: indices into `CAUSES`.
    nodes: of each segment, the node on which the cause is blamed, or which is ahead while the channel is busy.
    in_flight: read words asked of the memory and not yet there, when the segment begins.
    signals: those recorded.
    words: by name of the kind of reply (`DataKind`), or "write", words that have crossed the port.
    stalled: cycles in which something was offered and not taken, and no word crossed.
    """

    def __init__(self, record: PassRecord, channel: int, nodes: list[NodeTimeline], row: range,
                 kinds: dict[int, str]):
        self.channel, self._nodes, self._row = channel, nodes, row
        self.signals = signals = record.channel(channel)
        changes = [signal.times for signal in signals.values()]
        changes += [node.signals[name].times for node in nodes for name in NODE_STATES]
        self.begins = np.unique(np.concatenate(changes))
        self.begins = self.begins[self.begins < record.cycles].astype(np.int64)
        self.lengths = np.diff(self.begins, append=record.cycles)
        self.causes = np.zeros(len(self.begins), np.uint8)
        self.nodes = np.zeros(len(self.begins), np.uint8)
        self.in_flight = np.zeros(len(self.begins), np.int64)
        self.words = dict.fromkeys([*kinds.values(), "write"], 0)
        self.stalled, self._asked, self._under_way = 0, 0, 0
        self._kinds, self.cycles_of_pass = kinds, record.cycles
        for part in self._parts():
            self._attribute(part)
        moved = _both(signals, "reply", self.begins)
        kind = signals["reply_kind"].at(self.begins)
        for code, name in kinds.items():
            self.words[name] = int(self.lengths[moved & (kind == code)].sum())
        self.words["write"] = int(self.lengths[_both(signals, "write", self.begins)].sum())

    def _parts(self) -> Iterator[slice]:
        for start in range(0, len(self.begins), CHUNK):
            yield slice(start, start + CHUNK)

    def _attribute(self, part: slice) -> None:
        at, lengths, signals = self.begins[part], self.lengths[part], self.signals
        read, write, command = (_both(signals, stream, at) for stream in ("read", "write", "command"))
        offered = np.zeros(len(at), bool)
        for stream in ("read", "write", "command"):
            offered |= (signals[f"{stream}_valid"].at(at) != 0) & ~_both(signals, stream, at)
        busy = read | write
        self.stalled += int(lengths[~busy & offered].sum())

        asking = command & (signals["command_write"].at(at) == 0)
        asked = _before(self._asked, (asking * signals["command_length"].at(at) - read) * lengths)
        self.in_flight[part], self._asked = asked[:-1], asked[-1]
        leaving = sum((_both(node.signals, "request", at) & (node.signals["request_row"].at(at) == self.channel))
                      .astype(np.int64) for node in self._nodes)
        under_way = _before(self._under_way, (leaving - _both(signals, "request", at)) * lengths)
        self._under_way = under_way[-1]

        activity, node = self._blamed(at)
        full, moving = self._readers(at)
        pins_read, pins_written, refresh = (
            signals[name].at(at) != 0 if name in signals else np.zeros(len(at), bool)
            for name in ("pins_read", "pins_written", "refresh"))
        in_memory = (asked[:-1] > 0) | (signals["command_valid"].at(at) != 0) | (signals["write_valid"].at(at) != 0)
        # In the order of CAUSES, which those of the readers follow.
        conditions = [busy, signals["read_valid"].at(at) != 0, in_memory & (pins_read | pins_written),
                      in_memory & refresh, in_memory & self._turns(at), in_memory, signals["held"].at(at) != 0,
                      (under_way[:-1] > 0) | moving]
        readers = np.where(full, CAUSES.index(FULL + ACTIVITIES[0]), CAUSES.index(NOTHING + ACTIVITIES[0]))
        self.causes[part] = np.select(conditions, list(range(len(conditions))), readers + activity)
        self.nodes[part] = node

    def _blamed(self, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The activity that others wait for, and whose it is: of the row's nodes, or of all if the row only waits."""
        activities = np.stack([node.activity(at) for node in self._nodes])
        row = activities[self._row.start:self._row.stop]
        whole = row.min(axis=0) >= GATHER
        node = np.where(whole, activities.argmin(axis=0), self._row.start + row.argmin(axis=0))
        return np.take_along_axis(activities, node[None], axis=0)[0], node

    def _turns(self, at: np.ndarray) -> np.ndarray:
        """Whether the pins next move data in the other direction than they did last."""
        if "pins_read" not in self.signals:
            return np.zeros(len(at), bool)
        pins = (self.signals[name] for name in ("pins_read", "pins_written"))
        starts = [signal.times[signal.values != 0] for signal in pins]
        times, written = np.concatenate(starts), np.repeat([0, 1], [len(some) for some in starts])
        if not len(times):
            return np.zeros(len(at), bool)
        order = np.argsort(times, kind="stable")
        written = np.pad(written[order], 1, mode="edge")
        following = np.searchsorted(times[order], at, side="right") + 1
        return written[following] != written[following - 1]

    def _readers(self, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Whether a reader of the row waits for room, and whether one is about to ask. The program's is nearly always
        full, and is not counted there.
        """
        codes = reader_states()
        full, moving = np.zeros(len(at), bool), np.zeros(len(at), bool)
        for index in self._row:
            for reader in READERS:
                state = self._nodes[index].signals[f"{reader}_reader"].at(at)
                full |= (reader != PROGRAM) & (state == codes["RESERVE"])
                moving |= (state != codes["RESERVE"]) & (state != codes["IDLE"])
        return full, moving

    def labels(self) -> tuple[np.ndarray, list[str]]:
        """What is to be written on each segment, as indices into a list: the kind of words, or the cause."""
        names = [*CAUSES, *self._kinds.values(), "write"]
        labels = self.causes.astype(np.int64)
        busy = labels == 0
        # The edge's buffer: a word's kind is known the cycle after.
        kind = self.signals["reply_kind"].at(self.begins[busy] + 1)
        known = np.full(max(kind.max(initial=0), *self._kinds) + 1, names.index("busy"))
        known[list(self._kinds)] = [names.index(name) for name in self._kinds.values()]
        written = _both(self.signals, "write", self.begins[busy])
        labels[busy] = np.where(written, names.index("write"), known[kind])
        return labels, names

    def cycles(self) -> dict[str, int]:
        """Cycles by cause; they sum up to those of the pass."""
        return {name: int(self.lengths[self.causes == code].sum()) for code, name in enumerate(CAUSES)}


def _both(signals: dict[str, Signal], stream: str, at: np.ndarray) -> np.ndarray:
    """Where a stream moves a word."""
    return (signals[f"{stream}_valid"].at(at) != 0) & (signals[f"{stream}_ready"].at(at) != 0)


def _before(start: int, steps: np.ndarray) -> np.ndarray:
    """Sums before every step, and after the last."""
    return start + np.concatenate(([0], np.cumsum(steps)))
