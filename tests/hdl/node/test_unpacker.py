"""The unpacker against the memory layout, and mutations that this must catch."""

import random
import struct

import pytest
from dojang_hdl.node import unpacker as module
from dojang_sim.benches.mutation import mutate
from dojang_sim.benches.streams import run, send

GROUPS = 5
WATCHDOG = 2000


def memory_words(rows, lanes):
    """A unit of docs/reference/layout.md: ``rows[lane]`` is a list of 32 codes."""
    sequence = [sum((row[j] >> plane & 1) << j for j in range(32)) for plane in range(7, -1, -1) for row in rows]
    return [sum(word << 32 * j for j, word in enumerate(sequence[i:i + 4])) for i in range(0, len(sequence), 4)]


def floats(word):
    return list(struct.unpack("<4f", word.to_bytes(16, "little")))


def check(unpacker, lanes, seed, stall):
    rng, dut = random.Random(seed), unpacker(lanes)
    units = [[[rng.choice((-128, -127, -1, 0, 1, 127, rng.randrange(-128, 128))) for _ in range(32)]
              for _ in range(lanes)] for _ in range(GROUPS)]
    lane = rng.randrange(lanes)
    got = []

    async def planes(ctx):
        await send(ctx, dut.i, [word for unit in units for word in memory_words(unit, lanes)], rng, stall)

    async def collect(ctx):
        ctx.set(dut.lane, lane)
        cycles = 0
        while len(got) < 8 * GROUPS:
            ready = rng.random() >= stall
            ctx.set(dut.o.ready, ready)
            if ready and ctx.get(dut.o.valid):
                got.append(floats(ctx.get(dut.o.payload)))
            await ctx.tick()
            cycles += 1
        assert stall or cycles <= GROUPS * (8 + 2 * lanes) + 2, f"{cycles} cycles"

    run(dut, collect, cycles=WATCHDOG, background=(planes,))
    assert [value - 1.5 * 2**23 for word in got for value in word] == [code for unit in units for code in unit[lane]]


@pytest.mark.parametrize("lanes", [1, 2, 4])
@pytest.mark.parametrize("stall", [0.0, 0.4])
def test_rows(lanes, stall):
    check(module.Unpacker, lanes, lanes, stall)


MUTATIONS = {
    "unsigned": ("Cat(code, sign.replicate(22 - len(code)), ~sign,",
                 "Cat(code, Const(0, 22 - len(code)), Const(1, 1),"),
    "always lane 0": ("self.lane == lane", "0"),
    "planes upside down": ("for plane in reversed(planes)", "for plane in planes"),
    "elements stand still": ("plane.eq(plane >> ELEMENTS)", "plane.eq(plane)"),
    "a word too few": ("init=2 * self.lanes - 1)", "init=2 * self.lanes - 2)"),
    "a word too few behind the first": ("left.eq(2 * self.lanes - 1)", "left.eq(2 * self.lanes - 2)"),
    "words lost": ("self.i.ready.eq(~full)", "self.i.ready.eq(1)"),
    "elements lost on a stall": ("with m.If(full & self.o.ready)", "with m.If(full)"),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_mutation_is_caught(name):
    mutant = mutate(module.__name__, *MUTATIONS[name])
    with pytest.raises(AssertionError):
        check(mutant.Unpacker, 2, 3, 0.4)
        check(mutant.Unpacker, 4, 6, 0.0)
