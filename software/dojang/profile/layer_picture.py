"""A picture of one layer: who waits for what."""

from pathlib import Path

import numpy as np
from dojang_hdl.config import ChipConfig

from ..plots import picture
from .channel import CAUSES, FULL, MEMORY, NOTHING, ChannelTimeline
from .node import ACTIVITIES, DECIDING, NodeTimeline
from .passes import Pass
from .totals import totals

__all__ = ["draw_layer"]

BINS = 240
"""Columns of a channel's panel."""

NEAR = 0.015
"""Of the picture's width: less is too little between the names of two phases."""

ACTIVITY_COLOURS = dict(zip(ACTIVITIES, (
    "#205090", "#c05010", "#50907a", "#907030", "#b080b0", "#d8b4d8", "#d8c890", "#e8e8e8", "#ffffff"), strict=True))

WORD_COLOURS = ("#205090", "#4a7ab5", "#80a8d0", "#a8c8e8", "#508878", "#80b0a0", "#b0d0c0", "#d0e0d8")


def _group(label: str) -> tuple[str, str]:
    """Name and colour of what is drawn together of a port's gaps."""
    if label.startswith(FULL):
        return "idle: FIFOs full", "#f0b070"
    if label.startswith(NOTHING):
        return "idle: nothing asked for", "#c03020"
    return ("idle: memory", "#b8b8b8") if label in MEMORY else ("idle: network", "#808080")


def draw_layer(found: Pass, config: ChipConfig, layer: int, path: Path) -> None:
    """What every node does while any of them is in ``layer``, and what crosses every memory port."""
    spans = [span for node in found.nodes for span in _phases(node, layer)]
    start, end = min(span[1] for span in spans), max(span[2] for span in spans)
    heights = [0.35 + 0.3 * len(found.nodes), *[0.9] * len(found.channels)]
    with picture(totals(found), path, (10.5, 1.9 + sum(heights))) as figure:
        nodes, *channels = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights)
        _draw_nodes(nodes, found, config, layer, start, end)
        for axes, channel in zip(channels, found.channels, strict=True):
            _draw_channel(axes, channel, start, end)
        handles = {label: handle for axes in (nodes, *channels)
                   for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
        channels[-1].set_xlabel(f"cycles of layer {layer} (simulated: {found.tokens} token at position "
                                f"{found.position}, {config.name})")
        nodes.set_xlim(0, end - start)
        figure.legend(handles=list(handles.values()), loc="outside lower center", ncols=5, fontsize=8)


def _phases(node: NodeTimeline, layer: int) -> list[tuple[str, int, int]]:
    """Name, begin and end of the node's phases in a layer."""
    spans: list[tuple[str, int, int]] = []
    for phase, begin, end in zip(node.phases, node.begins.tolist(), node.ends.tolist(), strict=True):
        if phase.layer != layer:
            continue
        if spans and spans[-1][0] == phase.name and spans[-1][2] == begin:
            begin = spans.pop()[1]
        spans.append((phase.name, begin, end))
    return spans


def _draw_nodes(axes, found: Pass, config: ChipConfig, layer: int, start: int, end: int) -> None:
    used = set()
    for index, node in enumerate(found.nodes):
        times = np.unique(np.concatenate([[start, end], *(node.signals[name].times for name in DECIDING)]))
        times = times[(times >= start) & (times <= end)]
        activity = node.activity(times[:-1])
        first = np.flatnonzero(np.diff(activity, prepend=255))
        begins, kinds = times[first], activity[first]
        ends = np.append(begins[1:], end)
        for kind in np.unique(kinds):
            own = kinds == kind
            name = ACTIVITIES[kind]
            axes.broken_barh(list(zip(begins[own] - start, (ends - begins)[own], strict=True)), (index - 0.4, 0.8),
                             facecolors=ACTIVITY_COLOURS[name], label=None if name in used else name)
            used.add(name)
    heads: list[tuple[str, int]] = []   # those that would lie on each other share a place
    for name, begin, _ in _phases(found.nodes[0], layer):
        axes.axvline(begin - start, color="#404040", linewidth=0.5)
        if heads and begin - heads[-1][1] < NEAR * (end - start):
            heads[-1] = (f"{heads[-1][0]}, {name}", heads[-1][1])
        else:
            heads.append((name, begin))
    for name, begin in heads:
        axes.annotate(name, (begin - start, -0.5), (1, 2), textcoords="offset points", fontsize=6, rotation=35,
                      va="bottom", annotation_clip=False)
    axes.set_yticks(range(len(found.nodes)), [f"node {n % config.width},{n // config.width}"
                                              for n in range(len(found.nodes))])
    axes.set_ylim(len(found.nodes) - 0.5, -0.5)
    axes.grid(False)


def _draw_channel(axes, channel: ChannelTimeline, start: int, end: int) -> None:
    labels, names = channel.labels()
    edges = np.linspace(start, end, BINS + 1)
    times = np.append(channel.begins, channel.cycles_of_pass)
    shares: dict[tuple[str, str], np.ndarray] = {}
    words = [name for name in names if name not in CAUSES]
    for code, name in enumerate(names):
        key = (name, WORD_COLOURS[words.index(name) % len(WORD_COLOURS)]) if name in words else _group(name)
        covered = np.append(0, np.cumsum(np.where(labels == code, channel.lengths, 0)))
        share = np.diff(np.interp(edges, times, covered)) / np.diff(edges)
        shares[key] = shares.get(key, 0) + share
    sides, bottom = np.repeat(edges, 2)[1:-1] - start, np.zeros(BINS)
    for name, colour in sorted(shares, key=lambda key: key[0] not in words):
        share = shares[name, colour]
        if share.any():
            axes.fill_between(sides, np.repeat(bottom, 2), np.repeat(bottom + share, 2), np.repeat(share > 0, 2),
                              facecolor=colour, linewidth=0, label=name)
        bottom = bottom + share
    axes.set_ylim(0, 1)
    axes.set_yticks([0, 0.5, 1], ["0", "", "100 %"])
    axes.set_ylabel(f"channel {channel.channel}")
