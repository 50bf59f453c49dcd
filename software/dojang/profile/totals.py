"""Sums over a pass, for profile.json."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np
from dojang_hdl.config import WORD_BYTES, ChipConfig
from dojang_hdl.isa import Op
from dojang_sim.profile import READERS

from ..compile import GATHER_TAGS
from .channel import CAUSES, ChannelTimeline
from .node import NodeTimeline
from .passes import Pass
from .run import Run

__all__ = ["figures_of", "totals"]

UNITS = {"engine": "engine_busy", "engine waits for planes": "waiting_planes",
         "engine waits for scales": "waiting_scales", "engine waits for activations": "waiting_activations",
         "vector unit": "vector_busy", "candidates": "candidates_busy", "mover": "mover_busy"}


def figures_of(run: Run, config: ChipConfig) -> dict[str, Any]:
    """All that profile.json says of a chip and its passes."""
    return {
        "simulated": True, "simulated_hz": run.simulated_hz, "dram_peak_bytes_per_cycle": config.peak_bytes_per_cycle,
        "plane_bits_per_cycle": config.plane_bits_per_cycle,
        "cycles_per_token": run.cycles_per_token,
        "passes": [totals(found) for found in run.passes],
    }


def totals(found: Pass) -> dict[str, Any]:
    """Cycles by cause, phase and unit, words by kind. Causes sum up to a channel's cycles, phases to the pass's."""
    return {
        "position": found.position, "tokens": found.tokens, "cycles": found.cycles,
        "plane_bits": sum(_plane_bits(node) for node in found.nodes),
        "bytes": WORD_BYTES * sum(sum(channel.words.values()) for channel in found.channels),
        "channels": [_channel(channel) for channel in found.channels],
        "phases": _phases(found),
        "gathers": _gathers(found.nodes),
        "nodes": [_node(node) for node in found.nodes],
    }


def _channel(channel: ChannelTimeline) -> dict[str, Any]:
    signals = channel.signals
    pins = {name: _cycles(signals[name], channel) for name in ("pins_read", "pins_written") if name in signals}
    return {"words": channel.words, "stalled": channel.stalled, "causes": channel.cycles(), **pins,
            "mean_words_in_flight": float(np.average(channel.in_flight, weights=channel.lengths))}


def _cycles(signal, channel: ChannelTimeline) -> int:
    return int(channel.lengths[signal.at(channel.begins) != 0].sum())


def _plane_bits(node: NodeTimeline) -> int:
    return sum(instruction.plane_bits for instruction in node.instructions)


def _phases(found: Pass) -> dict[str, dict[str, Any]]:
    """By name, all layers together: cycles (mean of the nodes), port cycles of all channels by cause while the node
    that they were blamed on was in the phase; plane bits and streamed bytes of its own instructions.
    """
    names = list(dict.fromkeys(phase.name for node in found.nodes for phase in node.phases))
    number = {name: index for index, name in enumerate(names)}
    cycles = np.zeros(len(names))
    bits, streamed = defaultdict(int), defaultdict(int)
    within = []
    for node in found.nodes:
        of = np.array([number[phase.name] for phase in node.phases])
        within.append(of)
        spans = np.diff(node.begins, prepend=0, append=found.cycles)
        spans[1] += spans[0]  # before the first instruction: it counts as its own
        cycles += np.bincount(of, weights=spans[1:], minlength=len(names))
        for instruction in node.instructions:
            bits[instruction.phase.name] += instruction.plane_bits
            if instruction.op is Op.STREAM:
                streamed[instruction.phase.name] += instruction.n * WORD_BYTES
    port = np.zeros((len(names), len(CAUSES)), np.int64)
    for channel in found.channels:
        for index, node in enumerate(found.nodes):
            own = channel.nodes == index
            phase = within[index][node.at(channel.begins[own])]
            np.add.at(port, (phase, channel.causes[own]), channel.lengths[own])
    cycles /= len(found.nodes)
    return {name: {
        "cycles": float(cycles[at]), "share": float(cycles[at] / found.cycles), "plane_bits": bits[name],
        "streamed_bytes": streamed[name],
        "port_cycles": {cause: int(port[at, code]) for code, cause in enumerate(CAUSES) if port[at, code]},
    } for name, at in number.items()}


def _gathers(nodes: list[NodeTimeline]) -> dict[str, dict[str, float]]:
    """By phase: how many, and means over them of: cycles that a node waits, cycles from the first node's wait to the
    last one's, cycles that even the last one waits.
    """
    waits = defaultdict(list)
    for same in zip(*map(_waits, nodes), strict=True):
        arrivals, ends = (np.array(times) for times in zip(*(times for _, times in same), strict=True))
        waited = ends - arrivals
        waits[same[0][0]].append((waited.mean(), np.ptp(arrivals), waited.min()))
    return {name: {"count": len(each), **dict(zip(("wait", "spread", "last_waits"), np.mean(each, axis=0).tolist(),
                                                  strict=True))} for name, each in waits.items()}


def _waits(node: NodeTimeline) -> Iterator[tuple[str, tuple[int, int]]]:
    for index, instruction in enumerate(node.instructions):
        if instruction.op is Op.WAIT and instruction.fields["tag"] in GATHER_TAGS:
            yield instruction.phase.name, (int(node.executes[index]), int(node.done[index]))


def _node(node: NodeTimeline) -> dict[str, Any]:
    return {
        "instructions": len(node.instructions),
        "units": {unit: int(node.signals[name].values[-1]) for unit, name in UNITS.items()},
        "mean_levels": {name: float(node.signals[f"{name}_level"].values.mean()) for name in READERS},
    }
