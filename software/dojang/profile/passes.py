"""A pass over the model, from its record."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dojang_hdl.isa import Context
from dojang_hdl.mesh.flit import DataKind
from dojang_sim.profile import PassRecord, chip_taps, read_record

from ..compile import Image
from .channel import ChannelTimeline
from .instructions import decode
from .node import NodeTimeline

__all__ = ["Pass", "read_passes"]

READ_KINDS = {kind.value: kind.name.lower() for kind in DataKind if kind not in (DataKind.CONTEXT, DataKind.RUN)}
"""What the memory's words are for; STORE is a LOAD's answer."""


@dataclass(frozen=True)
class Pass:
    """Of ``tokens`` contexts, the first of them at ``position``."""

    position: int
    tokens: int
    cycles: int
    nodes: list[NodeTimeline]
    channels: list[ChannelTimeline]


def read_passes(path: Path, image: Image, guarded: bool, passes: Sequence[Sequence[Context]]) -> Iterator[Pass]:
    """The passes of a record; ``passes``: the contexts of each."""
    for record, contexts in zip(read_record(path, chip_taps(image.config, guarded)), passes, strict=True):
        yield _pass(record, image, contexts)


def _pass(record: PassRecord, image: Image, contexts: Sequence[Context]) -> Pass:
    config = image.config
    nodes = [NodeTimeline(record.node(node), decode(program, contexts), record.cycles)
             for node, program in enumerate(image.node_programs(len(contexts)))]
    channels = [ChannelTimeline(record, channel, nodes, range(channel * config.width, (channel + 1) * config.width),
                                READ_KINDS) for channel in range(config.channels)]
    return Pass(contexts[0].position, len(contexts), record.cycles, nodes, channels)
