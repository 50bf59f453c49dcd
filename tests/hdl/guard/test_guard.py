"""Words read through the whole guard, right and wrong ones."""

from itertools import groupby

import pytest
from dojang_hdl.guard.guard import MOST_IN_A_ROW, Guard
from dojang_hdl.guard.layout import CLUSTER, Register

from .bench import FULL, Bench, broken

pytestmark = pytest.mark.usefixtures("few_places")


def no_errors(guard=Guard, commands=18, longest=30, raw=0.08, **options):
    """Whatever stalls, and with a patrol that never pauses."""
    bench = Bench(guard=guard, **{"patrol": 1, **options})

    async def scenario(ctx):
        bench.traffic(commands, longest, raw)
        await bench.drain(ctx, bench.enough(commands, longest))
        bench.check()
        fault, counters = await bench.registers(ctx)
        assert fault is None and counters.keys() == {"merged", "verified"} | ({"patrolled"} if bench.patrol else set())

    bench.run(scenario)


def corrected(guard=Guard, commands=16, longest=20, seed=2):
    """Every wrong bit is corrected and counted."""
    bench = Bench(guard=guard, seed=seed)
    bench.memory.flip = bench.one_wrong_bit(0.1)

    async def scenario(ctx):
        bench.traffic(commands, longest)
        await bench.drain(ctx, bench.enough(commands, longest))
        bench.check()
        fault, counters = await bench.registers(ctx)
        assert fault is None and counters.keys() == {"merged", "verified", "corrected"}
        assert counters["corrected"] == bench.flips[0] > 10

    bench.run(scenario)


def read_again(guard=Guard, commands=22, longest=20, seed=4, tile=16):
    """What is right the second time is delivered right, and nothing but counters tells of it."""
    bench = Bench(guard=guard, seed=seed, tile=tile, patrol=50)
    bench.memory.flip = bench.any_wrong_bits(0.04)

    async def scenario(ctx):
        bench.traffic(commands, longest)
        await bench.drain(ctx, bench.enough(commands, longest))
        bench.check()
        fault, counters = await bench.registers(ctx)
        assert fault is None and "errors" not in counters
        assert 3 <= counters.get("tiles_reread", 0) + counters.get("clusters_reread", 0) <= bench.flips[1]

    bench.run(scenario)


def damaged(guard=Guard, commands=15, longest=20, seed=6, tile=16):
    """Random traffic on damaged blocks: wrong words are of those alone, and never without an error."""
    bench = Bench(guard=guard, seed=seed, tile=tile, patrol=100)
    rng, tiles_end = bench.rng, bench.protection.tiles_end
    blocks = [(first, min(tile, start + words - first)) for start, words in bench.regions
              for first in range(start, start + words, tile)]
    blocks = rng.sample(blocks, 2) + [(tiles_end + CLUSTER * cluster, CLUSTER) for cluster in rng.sample(range(80), 12)]
    for first, words in blocks:
        bench.memory.words[bench.physical(first) - 1 + rng.randint(0, words)] ^= 7 << rng.randrange(100)
    wrong = {word for first, words in blocks for word in range(first, first + words)}

    async def scenario(ctx):
        bench.traffic(commands, longest)
        await bench.drain(ctx, bench.enough(commands, longest))
        (kind, address), counters = await bench.registers(ctx)
        assert counters["errors"] and (address, kind) in [
            (first, "tile" if first < tiles_end else "cluster") for first, _ in blocks]
        assert {word for word, _ in bench.chip.wrong} <= wrong
        differs = {at for at, word in enumerate(bench.stored()) if word != bench.memory.words[at]}
        assert differs <= {bench.physical(word) for word in wrong} | {bench.physical(first) - 1 for first, _ in blocks}

    bench.run(scenario)


def wrong_for_good(guard=Guard):
    """Delivered, an error; a part of such a cluster is not written."""
    bench = Bench(guard=guard)
    tiles_end, bad = bench.protection.tiles_end, bench.protection.tiles_end + 3 * CLUSTER
    chip, memory = bench.chip, bench.memory

    async def after(ctx, fault, **counted):
        await bench.drain(ctx)
        assert bool(chip.wrong) <= ctx.get(bench.dut.status.error)
        found, counters = await bench.registers(ctx)
        assert found == fault
        for name, count in counted.items():
            assert counters.get(name, 0) == count, name
        chip.register(Register.FAULT, 0)
        await bench.drain(ctx)
        assert (await bench.registers(ctx))[0] is None
        ctx.set(bench.dut.status.clear, 1)
        await ctx.tick()
        ctx.set(bench.dut.status.clear, 0)

    async def scenario(ctx):
        # A word of a tile, read with the ones before and behind it; the first error counts.
        memory.words[bench.physical(bench.tile + 3)] ^= 1 << 5
        memory.words[bench.physical(bad + 2)] ^= 3
        chip.read(0, 3 * bench.tile)
        chip.read(bad)
        await after(ctx, ("tile", bench.tile), errors=2, tiles_reread=1, clusters_reread=1)
        assert chip.wrong == [(bench.tile + 3, chip.shadow[bench.tile + 3] ^ 1 << 5)]
        before = memory.words[:]
        written = [(7, FULL)]
        chip.write(bad + 1, written)
        chip.write(bad + CLUSTER, written)
        await after(ctx, ("cluster", bad), errors=1, clusters_reread=1, merged=2, verified=1)
        cluster = bench.physical(bad) - 1
        assert memory.words[cluster:cluster + CLUSTER + 1] == before[cluster:cluster + CLUSTER + 1]
        assert memory.words[bench.physical(bad + CLUSTER)] == 7
        # The whole of it can be written; then it is right.
        chip.wrong.clear()
        chip.write(bad, [(9, FULL)] * CLUSTER)
        chip.read(bad, CLUSTER)
        await after(ctx, None)
        assert not chip.wrong
        # Tiles are not: one error a command, whatever its length, with its address.
        shadow = chip.shadow[:]
        chip.write(tiles_end - 5, [(1, FULL)] * 5)
        chip.write(0, [(1, FULL)])
        chip.shadow[:] = shadow
        chip.read(tiles_end - bench.tile, bench.tile)
        await after(ctx, ("write to a tile", tiles_end - 5), errors=2)
        assert not chip.wrong
        # Without CONTROL there are no tiles.
        chip.register(Register.CONTROL, 0)
        chip.read(0)
        await after(ctx, ("cluster", 0), errors=1)

    bench.run(scenario)


def write_after_read(guard=Guard):
    """What has to be read again is still what it was, though it is written meanwhile: the first cluster of a read,
    of which not all is asked for, or the last one, which has long been ready to be written.
    """
    for words, wrong in ((61, 0), (253, 31)):
        _write_after_read(guard, words, wrong)


def _write_after_read(guard, words, wrong):
    bench = Bench(guard=guard, clusters=100)
    # Far enough from address 0 for the reads to be noted elsewhere.
    first, hit = bench.protection.tiles_end + 64 * CLUSTER, []

    def flip(addr, word):
        if addr == bench.physical(first + CLUSTER * wrong + 5) and not hit:
            hit.append(addr)
            return word ^ 3
        return word

    async def scenario(ctx):
        await ctx.tick().repeat(1024)   # nothing is written before the verifier's table is clear
        bench.memory.flip = flip
        bench.chip.read(first + 3, words)
        for cluster in (wrong, 4, 7):
            bench.chip.write(first + CLUSTER * cluster, [(bench.rng.getrandbits(128), FULL)] * CLUSTER)
        bench.chip.read(first, 256)
        await bench.drain(ctx)
        bench.check()
        _, counters = await bench.registers(ctx)
        assert hit and counters == {"clusters_reread": 1}   # the chip has read what it wrote

    bench.run(scenario)


class Order(list):
    """Addresses written; "w" for each, "r" for words read: what the memory gets, in order."""

    def __init__(self):
        super().__init__()
        self.kinds = []

    def append(self, addr):
        self.kinds.append("w")
        super().append(addr)

    def read(self, addr, word):
        self.kinds.append("r")
        return word


def writes_in_a_row(guard=Guard):
    """While clusters are ready to be written reads wait, up to a bound, if the memory has enough to read."""
    assert 1 < max(_writes_in_a_row(guard, reads=0)) < 8
    runs = _writes_in_a_row(guard, reads=6)
    assert runs[0] == MOST_IN_A_ROW == max(runs), runs


def _writes_in_a_row(guard, reads):
    """Clusters written one after the other, with so many long reads on their way before."""
    bench = Bench(guard=guard, stall=0, entries=16, tile=128 if reads else 16)
    order = bench.memory.written = Order()

    async def scenario(ctx):
        await ctx.tick().repeat(1024)
        bench.memory.flip = order.read
        for _ in range(reads):
            bench.chip.read(0, 256)
        for cluster in range(72):
            bench.chip.write(bench.protection.tiles_end + cluster * CLUSTER,
                             [(bench.rng.getrandbits(128), FULL)] * CLUSTER)
            if cluster % 4 == 3:
                bench.chip.read(0)
        await bench.drain(ctx, 12000)
        bench.check()

    bench.run(scenario)
    return [len(list(group)) for kind, group in groupby(order.kinds) if kind == "w"]


CHECKS = (no_errors, corrected, read_again, damaged, wrong_for_good, write_after_read, writes_in_a_row)

MUTATIONS = {
    "old words taken for new ones": (("reader", "guard"), "self.idle & (on_their_way == 0)", "self.idle",
                                     write_after_read),
    "read again from the block's first word": (
        ("reader", "guard"), "block.addr[:LENGTH_BITS] | block.skip", "block.addr[:LENGTH_BITS]", write_after_read),
    "few words of a tile alone": (("blocks", "reader", "guard"), "Mux(short, self._tile, until)", "until", no_errors),
    "read by the chip, yet read back": (("writer", "guard"), "verifier.seen_en.eq(self.judged &",
                                        "verifier.seen_en.eq(0 &", write_after_read),
    "read by the chip with another CRC": (("writer", "guard"), "verifier.seen_crc.eq(self.verdict.crc)",
                                          "verifier.seen_crc.eq(0)", write_after_read),
    "never again": (("reader", "guard"), "(verdict.good | second)", "1", write_after_read),
    "writes before the read": (
        ("guard",), "writer.first.eq(front.addr), writer.last.eq(front.last_addr),", "", write_after_read),
    "reads between": (("guard",), "hold.eq((between != 0)", "hold.eq(0 & (between != 0)", writes_in_a_row),
    "no end of a row": (("guard",), " & (row != MOST_IN_A_ROW) &", " &", writes_in_a_row),
    "a row with nothing to read": (("guard",), " & reader.busy)", ")", writes_in_a_row),
}


@pytest.mark.parametrize("check", CHECKS)
def test_guard(check):
    check()


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_guard_is_caught(name):
    *mutation, check = MUTATIONS[name]
    with pytest.raises(AssertionError):
        check(broken(*mutation))


@pytest.mark.slow
@pytest.mark.parametrize(("tile", "longest", "patrol"), [(16, 256, 0), (32, 30, 1), (128, 256, 40), (64, 20, 300)])
def test_long_traffic(tile, longest, patrol):
    """Commands of up to 256 words, with the verifier's whole table."""
    no_errors(commands=100, longest=longest, tile=tile, seed=tile, patrol=patrol)
    corrected(commands=60, longest=longest, seed=tile)
    read_again(commands=100, longest=longest, tile=tile, seed=tile)
    damaged(commands=60, longest=longest, tile=tile, seed=tile)
