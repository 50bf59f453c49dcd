"""Chrome's trace event format, which Perfetto opens: a cycle is a microsecond there."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from dojang_hdl.config import ChipConfig
from dojang_hdl.isa import Op
from dojang_sim.profile import READERS

from ..compile import GATHER_TAGS
from .channel import ChannelTimeline
from .node import NodeTimeline
from .passes import Pass

__all__ = ["trace_events"]

SHORTEST = 8
"""Cycles; what is shorter at a memory port is drawn as what was before it."""

POINTS = 8192
"""Of a counter track at most."""

FIRST_CHANNEL = 1000
"""Number of a channel's process, less that of the channel."""

UNITS = {Op.GEMV: "engine", Op.VEC: "vector unit", Op.TOPK: "candidates"}
"""That have a track; the mover has the others, but for those that the sequencer executes itself."""

OWN = (Op.NOP, Op.STREAM, Op.WAIT)

TRACKS = ("phase", "sequencer", "engine", "vector unit", "mover", "candidates", "gathers")

Event = dict[str, Any]


def trace_events(passes: list[Pass], config: ChipConfig) -> dict[str, Any]:
    """The passes one after the other."""
    events, start = list(_names(config)), 0
    for found in passes:
        for index, node in enumerate(found.nodes):
            events += _node(index, node, start)
        for channel in found.channels:
            events += _channel(channel, start)
        start += found.cycles
    return {"traceEvents": events, "displayTimeUnit": "ns",
            "otherData": {"time": "1 us of the trace is 1 simulated clock cycle", "chip": config.name}}


def _names(config: ChipConfig) -> Iterator[Event]:
    for node in range(config.nodes):
        y, x = divmod(node, config.width)
        yield from _process(node, f"node {x},{y}", TRACKS)
    for channel in range(config.channels):
        yield from _process(FIRST_CHANNEL + channel, f"memory channel {channel}", ("port", "refresh"))


def _process(number: int, name: str, tracks: tuple[str, ...]) -> Iterator[Event]:
    yield {"ph": "M", "pid": number, "name": "process_name", "args": {"name": name}}
    yield {"ph": "M", "pid": number, "name": "process_sort_index", "args": {"sort_index": number}}
    for index, track in enumerate(tracks):
        yield {"ph": "M", "pid": number, "tid": index, "name": "thread_name", "args": {"name": track}}


def _span(process: int, track: int, name: str, begin: int, end: int, **arguments) -> Event:
    event = {"ph": "X", "pid": process, "tid": track, "name": name, "ts": int(begin), "dur": int(end - begin)}
    return event | {"args": arguments} if arguments else event


def _node(number: int, node: NodeTimeline, start: int) -> Iterator[Event]:
    offered, taken, executes, done = (times + start for times in (node.offered, node.taken, node.executes, node.done))
    for index, instruction in enumerate(node.instructions):
        fields = {name: value for name, value in instruction.fields.items() if value and name != "op"}
        yield _span(number, TRACKS.index("sequencer"), instruction.name, offered[index], taken[index],
                    phase=str(instruction.phase), n=instruction.n, **fields)
        if instruction.op is Op.WAIT and instruction.fields["tag"] in GATHER_TAGS:
            yield _span(number, TRACKS.index("gathers"), str(instruction.phase), executes[index], done[index],
                        words=instruction.n)
        elif instruction.op not in OWN:
            track = UNITS.get(instruction.op, "mover")
            yield _span(number, TRACKS.index(track), instruction.name, executes[index], done[index], n=instruction.n)
    edges = [0, *(at for at in range(1, len(node.phases)) if node.phases[at] != node.phases[at - 1]),
             len(node.phases)]
    for first, last in pairwise(edges):
        yield _span(number, TRACKS.index("phase"), str(node.phases[first]), node.begins[first] + start,
                    node.ends[last - 1] + start)
    for reader in READERS:
        level = node.signals[f"{reader}_level"]
        yield from _counter(number, f"{reader} FIFO", level.times + start, level.values)


def _counter(process: int, name: str, times: np.ndarray, values: np.ndarray) -> Iterator[Event]:
    step = -(-len(times) // POINTS)
    for time, value in zip(times[::step].tolist(), values[::step].tolist(), strict=True):
        yield {"ph": "C", "pid": process, "name": name, "ts": time, "args": {"words": value}}


def _channel(channel: ChannelTimeline, start: int) -> Iterator[Event]:
    process = FIRST_CHANNEL + channel.channel
    labels, names = channel.labels()
    # Runs of the same label; short ones join what is before them, and then equal neighbours each other.
    begins = channel.begins
    for shortest in (0, SHORTEST):
        first = np.flatnonzero(np.diff(labels, prepend=-1))
        begins, labels = begins[first], labels[first]
        long = np.diff(begins, append=channel.cycles_of_pass) >= shortest
        long[0] = True
        begins, labels = begins[long], labels[long]
    first = np.flatnonzero(np.diff(labels, prepend=-1))
    begins, labels = begins[first], labels[first]
    ends = np.append(begins[1:], channel.cycles_of_pass)
    for begin, end, label in zip(begins + start, ends + start, labels, strict=True):
        yield _span(process, 0, names[label], begin, end)
    if "refresh" in channel.signals:
        held = channel.signals["refresh"]
        ends = np.append(held.times[1:], channel.cycles_of_pass)
        for begin, end, banks in zip(held.times + start, ends + start, held.values, strict=True):
            if banks:
                yield _span(process, 1, "banks held", begin, end, banks=f"{banks:08b}")
    yield from _counter(process, "words in flight", channel.begins + start, channel.in_flight)
