"""A pass over the model, from its record."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dojang_hdl.mesh.flit import DataKind
from dojang_sim.profile import Record, chip_taps, read_record

from ..compile import Image
from .channel import ChannelTimeline
from .instructions import decode
from .node import NodeTimeline

__all__ = ["Pass", "read_passes"]

READ_KINDS = {kind.value: kind.name.lower() for kind in DataKind if kind not in (DataKind.TOKENS, DataKind.RUN)}
"""What the memory's words are for; STORE is a LOAD's answer."""


@dataclass(frozen=True)
class Pass:
    """Of ``tokens`` tokens from ``position`` on."""

    position: int
    tokens: int
    cycles: int
    nodes: list[NodeTimeline]
    channels: list[ChannelTimeline]


def read_passes(path: Path, image: Image, guarded: bool, passes: Sequence[tuple[int, int]]) -> Iterator[Pass]:
    """The passes of a record; ``passes``: position and number of tokens of each."""
    for record, (position, tokens) in zip(read_record(path, chip_taps(image.config, guarded)), passes, strict=True):
        yield _pass(record, image, position, tokens)


def _pass(record: Record, image: Image, position: int, tokens: int) -> Pass:
    config = image.config
    nodes = [NodeTimeline(record.node(node), decode(program, position), record.cycles)
             for node, program in enumerate(image.node_programs(tokens))]
    channels = [ChannelTimeline(record, channel, nodes, range(channel * config.width, (channel + 1) * config.width),
                                READ_KINDS) for channel in range(config.channels)]
    return Pass(position, tokens, record.cycles, nodes, channels)
