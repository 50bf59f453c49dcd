"""Places of blocks against the packer's map of logical words to physical ones."""

import random

import pytest
from dojang.compile.protection import Protection
from dojang_hdl.guard.layout import CLUSTER
from dojang_hdl.guard.locate import Locator
from dojang_sim.benches.mutation import mutate
from dojang_sim.benches.streams import receive, run, send

MUTATIONS = {
    "headers before left out": ("+ chosen(place.addr >> bits, place.addr >> _CLUSTER_BITS)", ""),
    "headers of tiles as of clusters": ("chosen(place.addr >> bits, ", "chosen(place.addr >> _CLUSTER_BITS, "),
    "headers before the clusters left out": ("base.eq((self.tiles_end >> bits) - (self.tiles_end >> _CLUSTER_BITS))",
                                             "base.eq(0)"),
    "tiles behind the tiles": ("plain = place.raw | place.tile", "plain = place.raw"),
    "tiles always whole": ("place.raw | place.tile & ~few", "place.raw"),
    "tiles never whole": ("place.raw | place.tile & ~few", "place.raw | place.tile"),
    "few of one tile in part": ("few = short | ", "few = "),
    "few of a second tile in part": ("few = short | (span[:bits] <= SHORT)", "few = short"),
    "one word more is not few": ("span[:bits] <= SHORT", "span[:bits] < SHORT"),
    "the next tile's header left out": ("(1 << bits) - 1, CLUSTER - 1)", "(1 << bits) - 2, CLUSTER - 1)"),
    "the last cluster left out": ("(1 << bits) - 1, CLUSTER - 1)", "(1 << bits) - 1, 0)"),
    "clusters in part": ("rounded[:_CLUSTER_BITS] & 0,", "rounded[:_CLUSTER_BITS],"),
    "a whole tile in part": ("rounded[:bits] & 0,", "rounded[:bits],"),
    "a tile's beginning left out": ("span.eq(offset + place.length)", "span.eq(place.length)"),
    "raw words moved": ("Mux(place.raw, raw, Mux(place.tile, tile, cluster))", "Mux(place.tile, tile, cluster)"),
    "hold unheard": ("take_first(m, self.i, self.idle, self.hold)", "take_first(m, self.i, self.idle)"),
    "the last source first": ("take_first(m, self.i, ", "take_first(m, [*self.i][::-1], "),
    "writes become reads": ("command.write.eq(place.write)", "command.write.eq(0)"),
}

FEW = 8
"""Words of a last tile up to which all of it is read."""


def command(protection, write, raw, addr, length):
    """(write, first word, words): from the header of the first block to the last word wanted, or of its cluster, or of
    its tile if few are wanted.
    """
    if raw:
        return write, addr, length
    size = protection.tile if addr < protection.tiles_end else CLUSTER
    first, last = addr // size * size, addr + length - 1
    if addr >= protection.tiles_end:
        last |= CLUSTER - 1
    elif last - max(addr, last // size * size) < FEW:
        last |= size - 1
    begin = int(protection.physical(first)) - 1
    return write, begin, int(protection.physical(last)) + 1 - begin


def places(rng, protection, count):
    """Tiles from anywhere to the end of one (or short), runs of clusters, raw words; up to 256, across blocks."""
    tiles_end, end = protection.tiles_end, protection.end
    found = [(0, 0, tiles_end, 1), (1, 0, end - CLUSTER, CLUSTER), (0, 0, tiles_end + 7, 256), (1, 1, end, 256)]
    if tiles_end:
        found += [(0, 0, tiles_end - 1, 1), (0, 0, tiles_end - protection.tile, 1), (0, 0, 0, min(256, tiles_end)),
                  (0, 0, protection.tile - 1, min(256, tiles_end - protection.tile + 1))]
    if tiles_end > protection.tile:     # the last tile's few words: as few as may be, and one more
        found += [(0, 0, protection.tile - 3, 3 + FEW), (0, 0, protection.tile - 3, 4 + FEW)]
    for _ in range(count):
        raw, addr = rng.random() < 0.2, rng.randrange(end)
        length = rng.choice((1, 2, 8, 9, 255, 256, rng.randrange(1, 257)))
        if not raw:
            length = min(length, (tiles_end if addr < tiles_end else end) - addr)
        found.append((rng.randrange(2), raw, addr, length))
    return found


def check(locator, tile, tiles, stall=0.2, count=60):
    dut, rng = locator(tile, 1), random.Random(tile)
    protection = Protection(tiles * tile, tiles * tile + 100 * CLUSTER, tile)
    asked = places(rng, protection, count)

    async def source(ctx):
        ctx.set(dut.tiles_end, protection.tiles_end)
        await ctx.tick().repeat(2)
        await send(ctx, dut.i[0], [{"write": write, "raw": raw, "tile": addr < protection.tiles_end, "addr": addr,
                                 "length": length} for write, raw, addr, length in asked], rng, stall)

    async def sink(ctx):
        for place in asked:
            found, = await receive(ctx, dut.o, 1, rng, stall)
            assert (found.write, found.addr, found.length) == command(protection, *place), place
        for _ in range(8):
            assert not ctx.get(dut.o.valid), "a command too many"
            await ctx.tick()

    run(dut, source, sink, cycles=4 * len(asked) + 20 if not stall else 12 * len(asked))


@pytest.mark.parametrize(("tile", "tiles"), [(16, 40), (32, 1), (128, 9), (256, 3), (64, 5), (64, 0)])
def test_places(tile, tiles):
    check(Locator, tile, tiles)


def test_a_command_every_four_cycles():
    check(Locator, 128, 3, stall=0)


def first_and_held(locator):
    """An earlier source goes first; the last one waits on ``hold``, and keeps what it offers."""
    dut, found = locator(16, 2), []

    async def bench(ctx):
        ctx.set(dut.o.ready, 1)
        for number, place in enumerate(dut.i):
            ctx.set(place.valid, 1)
            ctx.set(place.payload, {"raw": 1, "addr": 100 * number, "length": 1})
        for cycle in range(40):
            ctx.set(dut.hold, cycle < 20)
            if ctx.get(dut.o.valid):
                found.append((cycle, ctx.get(dut.o.payload.addr)))
            taken = [ctx.get(place.valid) and ctx.get(place.ready) for place in dut.i]
            await ctx.tick()
            for place, done in zip(dut.i, taken, strict=True):
                if done:
                    ctx.set(place.valid, 0)
        assert ctx.get(dut.idle)

    run(dut, bench, cycles=60)
    assert found == [(3, 0), (23, 100)]


def test_the_first_source_goes_first_and_the_last_can_be_held():
    first_and_held(Locator)


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_locator_is_caught(name):
    broken = mutate("dojang_hdl.guard.locate", *MUTATIONS[name]).Locator
    with pytest.raises(AssertionError):
        check(broken, 16, 40)
        first_and_held(broken)
