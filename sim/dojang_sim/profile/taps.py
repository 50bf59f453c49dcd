"""The signals that a profiled chip records: the one table of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from dojang_hdl.config import ChipConfig

from ..waves.views import CHIP

__all__ = ["CHANNEL_TAPS", "MEMORY_TAPS", "NODE_TAPS", "PROGRAM", "READERS", "WINDOW", "Kind", "Place", "Tap",
           "chip_taps", "public_signals", "tap_table"]

WINDOW = 64
"""Cycles from one value of a LEVEL or a COUNT to the next."""


class Kind(StrEnum):
    """What is recorded of a signal of 32 bits at most."""

    STATE = "kState"   # its value whenever that changes
    LEVEL = "kLevel"   # its value every `WINDOW` cycles
    COUNT = "kCount"   # in how many cycles of the pass it was not 0 so far, every `WINDOW` cycles and at the end


@dataclass(frozen=True)
class Tap:
    """``signal``: its path in the flattened netlist of the node, or of the chip with ``{channel}`` in place of the
    number of the channel.
    """

    name: str
    signal: str
    meaning: str
    kind: Kind = Kind.STATE


@dataclass(frozen=True)
class Place:
    """A tap of one node or one channel: ``scope`` and ``signal`` are names of the netlist."""

    owner: tuple[str, int]
    tap: Tap
    scope: str
    signal: str


PROGRAM = "program"

READERS = {"planes": ("planes.requester0", "planes.rings.level0"),
           "urgent_planes": ("planes.requester1", "planes.rings.level1"),
           "scales": ("scales.requester0", "scales.rings.level0"),
           "urgent_scales": ("scales.requester1", "scales.rings.level1"),
           PROGRAM: ("program.requester0", "program.rings.left")}
"""Of a node's streams: what requests their words, and the level of their FIFO (a FIFO alone does not count the words
it has fetched). Each has taps ``…_reader`` and ``…_level``.
"""

NODE_TAPS = (
    Tap("running", "sequencer.running", "the sequencer has a program"),
    Tap("head_valid", "sequencer.resolver.o__valid", "an instruction is resolved, and its unit has not accepted it"),
    Tap("program_valid", "sequencer.program__valid", "a word of the program is there"),
    Tap("program_ready", "sequencer.program__ready", "the resolver takes one"),
    Tap("busy", "sequencer.busy", "units that work, one bit each"),
    *(Tap(f"{name}_reader", f"{requester}.state_state", "state of what requests words of a stream")
      for name, (requester, _) in READERS.items()),
    *(Tap(f"{name}_level", level, "words in its FIFO", Kind.LEVEL) for name, (_, level) in READERS.items()),
    Tap("request_valid", "request_router.i_local__valid", "a request is offered to the network"),
    Tap("request_ready", "request_router.i_local__ready", "and taken"),
    Tap("request_kind", "request_router.i_local__payload.kind", "what it asks for"),
    Tap("request_row", "request_router.i_local__payload.row", "of which channel"),
    Tap("engine_busy", "engine.busy", "the engine works", Kind.COUNT),
    Tap("waiting_planes", "engine.waiting_planes", "its lanes wait for planes", Kind.COUNT),
    Tap("waiting_scales", "engine.waiting_scales", "or for scales", Kind.COUNT),
    Tap("waiting_activations", "engine.waiting_activations", "or for activations", Kind.COUNT),
    Tap("vector_busy", "vector.busy", "the vector unit works", Kind.COUNT),
    Tap("candidates_busy", "candidates.busy", "the candidate list works", Kind.COUNT),
    Tap("mover_busy", "mover.busy", "the mover works", Kind.COUNT),
)

CHANNEL_TAPS = (
    *(Tap(f"{stream}_{end}", f"chip.edge_{{channel}}.memory__{stream}__{end}", f"handshake of the port's {stream}")
      for stream in ("command", "read", "write") for end in ("valid", "ready")),
    Tap("command_write", "chip.edge_{channel}.memory__command__payload.write", "the command writes"),
    Tap("command_length", "chip.edge_{channel}.memory__command__payload.length", "words of the command"),
    Tap("request_valid", "chip.edge_{channel}.request__valid", "a request is at the edge"),
    Tap("request_ready", "chip.edge_{channel}.request__ready", "and taken"),
    Tap("held", "chip.edge_{channel}.order.queue.level", "READs that wait behind urgent ones"),
    Tap("reply_valid", "chip.edge_{channel}.data__valid", "a word leaves the edge"),
    Tap("reply_ready", "chip.edge_{channel}.data__ready", "and is taken by the network"),
    Tap("reply_kind", "chip.edge_{channel}.data__payload.kind", "what it is"),
)

MEMORY_TAPS = (
    Tap("pins_read", "memory_{channel}.controller.controller.phy__read_valid", "the pins bring data"),
    Tap("pins_written", "memory_{channel}.controller.controller.phy__write_valid", "the pins take data"),
    Tap("refresh", "memory_{channel}.controller.controller.refresher.hold", "banks held for a refresh"),
)
"""Of a guarded LPDDR4 channel."""

NODE_SCOPE = CHIP + ".chip.node_{x}_{y}.instance"


def chip_taps(config: ChipConfig, guarded: bool) -> list[Place]:
    """All taps of a chip; the number of a tap in a record is its place in this list."""
    return [*_nodes(config), *_channels(config, guarded)]


def _nodes(config: ChipConfig) -> Iterator[Place]:
    for node in range(config.nodes):
        y, x = divmod(node, config.width)
        yield from (Place(("node", node), tap, NODE_SCOPE.format(x=x, y=y), tap.signal) for tap in NODE_TAPS)


def _channels(config: ChipConfig, guarded: bool) -> Iterator[Place]:
    for channel in range(config.channels):
        for tap in (*CHANNEL_TAPS, *(MEMORY_TAPS if guarded else ())):
            yield Place(("channel", channel), tap, CHIP, tap.signal.format(channel=channel))


def public_signals(places: list[Place], top: str, node: str) -> str:
    """A Verilator configuration that keeps the taps readable."""
    names = {(top if place.scope == CHIP else node, place.signal) for place in places}
    return "`verilator_config\n" + "".join(f'public_flat_rd -module "{module}" -var "{signal}"\n'
                                           for module, signal in sorted(names))


def tap_table(places: list[Place]) -> str:
    """The table for sampler.h."""
    rows = (f'    {{"{place.scope}", "{place.signal}", {place.tap.kind}}},\n' for place in places)
    return f"constexpr uint32_t kWindow = {WINDOW};\nconstexpr Tap kTaps[] = {{\n{''.join(rows)}}};\n"
