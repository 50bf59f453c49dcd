"""The kinds of faults, and how one of a kind is made by chance."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from random import Random

from dojang_hdl.config import WORD_BITS
from dojang_hdl.guard.layout import CHECK_BITS, CLUSTER, REGISTER_WINDOW, Register
from dojang_hdl.guard.registers import Injection
from dojang_hdl.lpddr4.phy import BEAT_BITS
from dojang_sim.lpddr4.traffic import Poke

from .memory import GuardedImage

__all__ = ["COMMANDS", "KINDS", "Fault", "Kind", "Promise"]

COMMANDS = 300
"""Commands of the traffic in a trial: some 50,000 cycles, more if much is wrong."""

LASTING = 120
"""Commands for a fault after which everything is wrong."""

CRC = CHECK_BITS * CLUSTER
"""First bit of a header's CRC; its check bits are behind its 32 bits."""


class Promise(StrEnum):
    """What the guard promises for a kind of fault."""

    RIGHT = "no wrong word, no error"
    ERROR = "an error"
    NOTICED = "no wrong word without an error"


@dataclass(frozen=True)
class Fault:
    """One fault. ``options``: of the device; ``pokes``: registers written; ``flips``, ``copies``: what is wrong from
    the start, see `GuardedImage`; ``reset``: cycles after the first word; ``commands``: of the traffic.
    """

    options: str = ""
    pokes: tuple[Poke, ...] = ()
    flips: tuple[tuple[int, int], ...] = ()
    copies: tuple[tuple[int, int, int], ...] = ()
    reset: int = 0
    commands: int = COMMANDS


@dataclass(frozen=True)
class Kind:
    """``make`` gives a fault of this kind in a memory."""

    description: str
    promise: Promise
    make: Callable[[Random, GuardedImage], Fault]


def tile_word(random: Random, memory: GuardedImage) -> int:
    first, words = random.choice(memory.tiles)
    return int(memory.protection.physical(first + random.randrange(words)))


def cluster_word(random: Random, memory: GuardedImage) -> int:
    return int(memory.protection.physical(random.randrange(memory.tiles_end, memory.end)))


def tile_header(random: Random, memory: GuardedImage) -> int:
    first, words = random.choice(memory.tiles)
    return int(memory.protection.physical(first + random.randrange(0, words, memory.tile))) - 1


def cluster_header(random: Random, memory: GuardedImage) -> int:
    return int(memory.protection.physical(random.randrange(memory.tiles_end, memory.end, CLUSTER))) - 1


def burst(random: Random) -> list[int]:
    """8 to 64 neighbouring bits."""
    length = random.randint(8, 64)
    start = random.randint(0, WORD_BITS - length)
    return list(range(start, start + length))


def pinned(word: int, bits: list[int]) -> Fault:
    """Bits that are wrong whenever the word is read."""
    return Fault(options=" ".join(f"flip={word}:{bit}" for bit in bits))


def injected(random: Random, bits: list[int], *, write: bool, count: int = 1) -> Fault:
    """Bits of one word, or of ``count`` in a row, on their way from or to the memory."""
    injection = Injection.const({"skip": random.randrange(100), "count": count, "write": write}).as_bits()
    before = random.randrange(1, COMMANDS // 2)
    return Fault(pokes=(
        Poke(before, REGISTER_WINDOW | Register.INJECT_MASK, sum(1 << bit for bit in bits)),
        Poke(before, REGISTER_WINDOW | Register.INJECT, injection)))


def two(random: Random) -> list[int]:
    return random.sample(range(WORD_BITS), 2)


def one(random: Random) -> list[int]:
    return [random.randrange(WORD_BITS)]


def crc_bit(random: Random) -> list[int]:
    return [random.randrange(CRC, CRC + 32 + CHECK_BITS)]


def displaced(random: Random, memory: GuardedImage, first: int, end: int, size: int) -> Fault:
    """A block of ``size`` words between ``first`` and ``end`` that is what another one should be."""
    here, there = (int(memory.protection.physical(word)) - 1 for word in random.sample(range(first, end, size), 2))
    return Fault(copies=((here, there, size + 1),))


def stuck(random: Random, pin: str, pins: int, since: int) -> Fault:
    return Fault(options=f"continue stick={pin}{random.randrange(pins)}:{random.randrange(2)} stick-from={since}",
                 commands=LASTING)


def midst(random: Random) -> int:
    """A tCK in the midst of the traffic, after the initialisation."""
    return random.randrange(12_000, 30_000)


def dropped(command: str, most: int, commands: int = COMMANDS) -> Callable[[Random, GuardedImage], Fault]:
    return lambda random, _: Fault(options=f"continue drop={command}:{random.randint(1, most)}", commands=commands)


RIGHT, ERROR, NOTICED = Promise.RIGHT, Promise.ERROR, Promise.NOTICED

KINDS = (
    Kind("one bit of a cluster's word, stuck", RIGHT, lambda r, m: pinned(cluster_word(r, m), one(r))),
    Kind("one check bit of a cluster, stuck", RIGHT, lambda r, m: pinned(cluster_header(r, m), [r.randrange(CRC)])),
    Kind("one bit of a cluster's CRC, stuck", RIGHT, lambda r, m: pinned(cluster_header(r, m), crc_bit(r))),
    Kind("one bit of a tile's CRC, stuck", RIGHT, lambda r, m: pinned(tile_header(r, m), crc_bit(r))),
    Kind("1 to 64 bits of a tile's word, stuck", NOTICED,
         lambda r, m: pinned(tile_word(r, m), r.choice((one, two, burst))(r))),
    Kind("one bit of a cluster, in the cell", RIGHT, lambda r, m: Fault(flips=((cluster_word(r, m), one(r)[0]),))),
    Kind("one bit of a word read", RIGHT, lambda r, m: injected(r, one(r), write=False)),
    Kind("one bit of a word written", RIGHT, lambda r, m: injected(r, one(r), write=True)),
    Kind("two bits of a cluster's word, stuck", ERROR, lambda r, m: pinned(cluster_word(r, m), two(r))),
    Kind("two bits of a word read", RIGHT, lambda r, m: injected(r, two(r), write=False)),
    Kind("two bits of a word written", NOTICED, lambda r, m: injected(r, two(r), write=True)),
    Kind("8 to 64 bits of a cluster's word, stuck", ERROR, lambda r, m: pinned(cluster_word(r, m), burst(r))),
    Kind("8 to 64 bits of a word read", RIGHT, lambda r, m: injected(r, burst(r), write=False)),
    Kind("8 to 64 bits of a word written", NOTICED, lambda r, m: injected(r, burst(r), write=True)),
    Kind("8 to 64 bits of up to 400 words read", NOTICED,
         lambda r, m: injected(r, burst(r), write=False, count=r.randint(2, 400))),
    Kind("a cluster in another's place", NOTICED,
         lambda r, m: displaced(r, m, m.tiles_end, m.end, CLUSTER)),
    Kind("a tile in another's place", NOTICED,
         lambda r, m: displaced(r, m, 0, m.tiles[0][1] // m.tile * m.tile, m.tile)),
    Kind("ACT dropped", NOTICED, dropped("ACT", 300)),
    Kind("RD dropped", RIGHT, dropped("RD", 6000)),
    Kind("WR dropped", NOTICED, dropped("WR", 800)),
    Kind("MWR dropped", NOTICED, dropped("MWR", 100)),
    Kind("PRE dropped", NOTICED, dropped("PREPB", 300)),
    Kind("REFpb dropped", RIGHT, dropped("REFPB", 200)),
    Kind("MRR dropped", RIGHT, dropped("MRR", 2, 1200)),
    Kind("5 to 40 written bursts lost", NOTICED,
         lambda r, m: Fault(options=f"lose={r.randint(1, 800)}+{r.choice((5, 10, 40))}")),
    Kind("a DQ stuck", ERROR, lambda r, m: stuck(r, "dq", BEAT_BITS, 0)),
    Kind("a DQ stuck from some time on", ERROR, lambda r, m: stuck(r, "dq", BEAT_BITS, midst(r))),
    Kind("a CA stuck", ERROR, lambda r, m: stuck(r, "ca", 6, 0)),
    Kind("a CA stuck from some time on", NOTICED, lambda r, m: stuck(r, "ca", 6, midst(r))),
    Kind("refreshes without effect", ERROR,
         lambda r, m: Fault(options=f"ignore-refreshes seed={r.randrange(99)}")),
    Kind("all reset in the midst", NOTICED,
         lambda r, m: Fault(options="restarts", reset=r.randrange(1, 25_000))),
    Kind("the device alone reset", ERROR,
         lambda r, m: Fault(options=f"continue reset={midst(r)}", commands=LASTING)),
)
