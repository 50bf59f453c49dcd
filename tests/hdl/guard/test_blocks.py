"""Blocks of a job against the list of its words."""

import random

import pytest
from dojang_hdl.guard.blocks import BlockWalker
from dojang_hdl.guard.layout import CLUSTER
from dojang_sim.benches.mutation import mutate
from dojang_sim.benches.streams import receive, run, send

MUTATIONS = {
    "clusters read in part": ("Mux(short, self._tile, until), CLUSTER)", "Mux(short, self._tile, until), until)"),
    "tiles read whole": ("Mux(short, self._tile, until)", "self._tile"),
    "few words of a tile": ("Mux(short, self._tile, until)", "until"),
    "raw words of a tile": ("Mux(job.raw, until, Mux(job.tile, ", "Mux(0, until, Mux(job.tile | job.raw, "),
    "one word more is not few": ("job.length <= SHORT", "job.length < SHORT"),
    "address of the first wanted word": ("job.addr[:LENGTH_BITS] & ~skip", "job.addr[:LENGTH_BITS]"),
    "skipped again": ("job.addr.eq(job.addr + room)", "job.addr.eq(job.addr + room + skip)"),
    "one word too long": ("ends = job.length <= room", "ends = job.length < room"),
    "left of the next block": ("block.left.eq(job.length)", "block.left.eq(job.length - room)"),
    "raw words skipped": ("offset = Mux(job.raw, 0, ", "offset = Mux(0, 0, "),
    "of no tile": ("block.tile.eq(job.tile)", "block.tile.eq(0)"),
}
NAMES = ("raw", "tile", "addr", "skip", "until", "words", "left", "last")


def blocks(tile, raw, in_tiles, addr, length):
    """A tuple of NAMES for each block."""
    size = tile if raw or in_tiles else CLUSTER
    start = addr if raw else addr // size * size    # raw blocks begin with the job
    found = []
    for first in range(start, addr + length, size):
        wanted = [word for word in range(first, first + size) if addr <= word < addr + length]
        skip, until = wanted[0] - first, wanted[-1] + 1 - first
        left = addr + length - wanted[0]
        words = until if raw or (in_tiles and left > 8) else size
        found.append((raw, in_tiles, first, skip, until, words, left, 0))
    found[-1] = (*found[-1][:-1], 1)
    return found


def check(walker, tile, stall=0.2, lengths=(1, 2, 7, 8, 9, 16, 17, 255, 256)):
    dut, rng = walker(tile), random.Random(tile)
    tiles_end = 8 * tile
    jobs = [(0, 0, tiles_end, 1), (0, 1, tiles_end - 1, 1)]
    for _ in range(40):
        raw, addr, length = int(rng.random() < 0.2), rng.randrange(2 * tiles_end), rng.choice(lengths)
        if addr < tiles_end and not raw:
            length = min(length, tiles_end - addr)
        jobs.append((raw, int(addr < tiles_end), addr, length))
    expected = [(index % 4, *block) for index, job in enumerate(jobs) for block in blocks(tile, *job)]

    async def source(ctx):
        await send(ctx, dut.i, [{"purpose": index % 4, "raw": raw, "tile": in_tiles, "addr": addr, "length": length}
                                for index, (raw, in_tiles, addr, length) in enumerate(jobs)], rng, stall)

    async def sink(ctx):
        for wanted in expected:
            block, = await receive(ctx, dut.o, 1, rng, stall)
            assert (block.purpose.value, *(getattr(block, name) for name in NAMES)) == wanted
        for _ in range(8):
            assert not ctx.get(dut.o.valid), "a block too many"
            await ctx.tick()

    run(dut, source, sink, cycles=3 * len(expected) + 2 * len(jobs) + 20 if not stall else 5 * len(expected) + 400)


@pytest.mark.parametrize("tile", [16, 32, 128, 256])
def test_blocks(tile):
    check(BlockWalker, tile)


def test_a_block_every_three_cycles():
    check(BlockWalker, 16, stall=0, lengths=(256,))


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_walker_is_caught(name):
    broken = mutate("dojang_hdl.guard.blocks", *MUTATIONS[name]).BlockWalker
    with pytest.raises(AssertionError):
        check(broken, 16)
