"""What is asked of a memory: the patterns of the bench, as data."""

from dataclasses import dataclass, field
from enum import StrEnum

from dojang_hdl.config import WORD_BYTES
from dojang_hdl.guard.layout import SHORT

__all__ = ["PATTERNS", "RANDOM_PHASES", "GuardedPhases", "Operation", "Order", "Pattern", "Stream"]


class Operation(StrEnum):
    READ = "read"
    WRITE = "write"


class Order(StrEnum):
    """How the chunks of a stream follow each other."""

    SEQUENTIAL = "sequential"
    RANDOM = "random"


@dataclass(frozen=True)
class Stream:
    """Chunks of ``chunk`` bytes (random ones aligned to their size), moved by commands of ``length`` bytes.

    ``share``: per cent of the bytes of its pattern. ValueError if the port has no such command.
    """

    operation: Operation
    order: Order
    length: int
    chunk: int
    share: int = 100

    def __post_init__(self):
        if self.length % WORD_BYTES or not 1 <= self.length // WORD_BYTES <= 256 or self.chunk % self.length:
            raise ValueError(f"commands of {self.length} bytes for chunks of {self.chunk}, expected 1 to 256 words of "
                             f"{WORD_BYTES} bytes and whole commands in a chunk")

    @property
    def argument(self) -> str:
        """The stream as the harness takes it, in words."""
        words = self.length // WORD_BYTES, self.chunk // WORD_BYTES
        return ",".join(map(str, (self.operation, self.order, *words, self.share)))


@dataclass(frozen=True)
class Pattern:
    """Streams that take turns command by command, so that their shares hold at any time.

    ``floor``: per cent of the pins' peak that the controller is to reach; None if nothing is asked.
    """

    description: str
    floor: float | None
    streams: tuple[Stream, ...]

    @property
    def arguments(self) -> tuple[str, ...]:
        """The pattern as the harness takes it."""
        return tuple(part for stream in self.streams for part in ("--stream", stream.argument))

    def commands(self, size: int) -> int:
        """Commands that move about ``size`` bytes."""
        return round(sum(size * stream.share / 100 / stream.length for stream in self.streams))


READ, WRITE, SEQUENTIAL, RANDOM = Operation.READ, Operation.WRITE, Order.SEQUENTIAL, Order.RANDOM
LONG = 2048
"""A request of the chip's readers."""

WEIGHTS = READ, RANDOM, LONG, 4096
KV = READ, RANDOM, 128, 128

PATTERNS = {
    "sequential": Pattern("sequential reads", 98.0, (Stream(READ, SEQUENTIAL, LONG, LONG),)),
    "chunks-4k": Pattern("reads of random aligned 4 KiB", 98.0, (Stream(*WEIGHTS),)),
    "chunks-128": Pattern("reads of random aligned 128 B", 84.0, (Stream(*KV),)),
    "writes-512": Pattern("sequential reads, 10 % writes of 512 B", 93.0, (
        Stream(READ, SEQUENTIAL, LONG, LONG, 90), Stream(WRITE, SEQUENTIAL, 512, 512, 10))),
    # Reads of this length put every write alone between two of them.
    "writes-single": Pattern("sequential reads, 10 % single writes of 64 B", 79.0, (
        Stream(READ, SEQUENTIAL, 576, 576, 90), Stream(WRITE, SEQUENTIAL, 64, 64, 10))),
    "kv-10": Pattern("weights in 4 KiB, 10 % KV in 128 B", 95.5, (Stream(*WEIGHTS, 90), Stream(*KV, 10))),
    "kv-30": Pattern("weights in 4 KiB, 30 % KV in 128 B", 93.0, (Stream(*WEIGHTS, 70), Stream(*KV, 30))),
    "writes": Pattern("sequential writes", None, (Stream(WRITE, SEQUENTIAL, LONG, LONG),)),
}

RANDOM_PHASES = Pattern("random phases", None, ())
"""For correctness; made by the harness: phases of 1 to 256 words, of pieces of rows of one bank, of single-word writes,
of both ends of the memory and of idle gaps, with byte masks and stalls on every stream.
"""


@dataclass(frozen=True)
class GuardedPhases(Pattern):
    """Random phases as a `dojang_hdl.guard.guard.Guard` allows them, for correctness.

    Tiles are read: whole ones, the ends of some, and a few words of some. Clusters are read and written, again and
    again the same ones, with byte masks, in single words, in long commands as the host's, and with gaps in which they
    are verified.

    Parameters
    ----------
    tile: words of a tile.
    tiles: first word and words of the regions that hold tiles.
    clusters: first word and words of the clusters.
    """

    description: str = field(default="guarded phases", init=False)
    floor: None = field(default=None, init=False)
    streams: tuple[Stream, ...] = field(default=(), init=False)
    tile: int
    tiles: tuple[tuple[int, int], ...]
    clusters: tuple[int, int]

    @property
    def arguments(self) -> tuple[str, ...]:
        regions = [("--tiles", region) for region in self.tiles] + [("--clusters", self.clusters)]
        return "--tile", str(self.tile), "--short", str(SHORT), *(part for name, (first, words) in regions
                                           for part in (name, f"{first},{words}"))
