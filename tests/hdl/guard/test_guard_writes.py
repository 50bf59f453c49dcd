"""What is written through the whole guard, and read back."""

import pytest
from dojang_hdl.guard.guard import Guard
from dojang_hdl.guard.layout import CLUSTER

from .bench import FULL, Bench, broken

pytestmark = pytest.mark.usefixtures("few_places")


def lost_writes(guard=Guard):
    """Seen when they are verified, before the guard is idle."""
    bench = Bench(guard=guard)
    first = bench.protection.tiles_end

    async def scenario(ctx):
        for cluster in range(5):
            bench.chip.write(first + CLUSTER * cluster, [(bench.rng.getrandbits(128), FULL)] * CLUSTER)
        bench.memory.lost = {3}
        await bench.drain(ctx, until=lambda: len(bench.memory.written) == 5)
        assert not ctx.get(bench.dut.status.error) and ctx.get(bench.dut.status.busy)
        await bench.drain(ctx)
        assert ctx.get(bench.dut.status.error)
        lost = next(at for at in range(5) if bench.memory.written[3] == bench.physical(first + CLUSTER * at) - 1)
        fault, counters = await bench.registers(ctx)
        assert fault == ("lost write", first + CLUSTER * lost)
        assert counters == {"errors": 1, "clusters_reread": 1, "verified": 5}

    bench.run(scenario)


def lost_and_written_again(guard=Guard):
    """A word is merged into what the lost write should have replaced; that is right in itself."""
    bench = Bench(guard=guard)
    cluster = bench.protection.tiles_end + 5 * CLUSTER

    async def scenario(ctx):
        bench.memory.lost = {0}
        bench.chip.write(cluster, [(bench.rng.getrandbits(128), FULL)] * CLUSTER)
        await bench.drain(ctx, until=lambda: bench.memory.written)
        bench.chip.write(cluster + 3, [(4, FULL)])
        await bench.drain(ctx)
        fault, counters = await bench.registers(ctx)
        assert fault == ("lost write", cluster)
        assert counters == {"errors": 1, "clusters_reread": 1, "merged": 1, "verified": 2}

    bench.run(scenario)


def busy_until_verified(guard=Guard):
    """Without a gap, from the first word on."""
    bench = Bench(guard=guard)
    seen = []

    async def scenario(ctx):
        await bench.drain(ctx)
        bench.chip.write(bench.protection.tiles_end + 9, [(5, FULL)])

        verified = 0

        def look():
            nonlocal verified
            seen.append((ctx.get(bench.dut.status.busy), verified))
            verified += ctx.get(bench.dut.events).verified
            return len(seen) == 800

        await bench.drain(ctx, until=look)
        changes = [state for state, before in zip(seen, [None, *seen], strict=False) if state != before]
        assert changes == [(0, 0), (1, 0), (1, 1), (0, 1)]

    bench.run(scenario)


def patrolled(guard=Guard):
    """Wrong bits in the memory are found and corrected there, without being asked for."""
    bench = Bench(guard=guard, patrol=20, clusters=10)

    async def scenario(ctx):
        for cluster in range(0, 10, 3):
            addr = bench.physical(bench.protection.tiles_end + CLUSTER * cluster) + bench.rng.randrange(-1, CLUSTER)
            bench.memory.words[addr] ^= 1 << bench.rng.randrange(100)
        await bench.drain(ctx, until=lambda: bench.memory.words == bench.stored())
        await bench.drain(ctx)
        fault, counters = await bench.registers(ctx)
        assert fault is None and counters["merged"] == 4

    bench.run(scenario)


def verified_again(guard=Guard):
    """A cluster that has to be read back again must still have its own CRC, and those behind it theirs."""
    bench = Bench(guard=guard)
    first, hit = bench.protection.tiles_end, []

    def flip(addr, word):
        if addr == bench.physical(first + CLUSTER + 2) and not hit:
            hit.append(addr)
            return word ^ 3
        return word

    async def scenario(ctx):
        bench.memory.flip = flip
        for cluster in range(4):
            bench.chip.write(first + CLUSTER * cluster, [(bench.rng.getrandbits(128), FULL)] * CLUSTER)
        await bench.drain(ctx)
        bench.check()
        fault, counters = await bench.registers(ctx)
        assert hit and fault is None and counters == {"clusters_reread": 1, "verified": 4}

    bench.run(scenario)


def sealed_again(guard=Guard):
    """Clusters are written while blocks are read that have to be read again."""
    tiles = 30
    bench = Bench(guard=guard, clusters=40, stall=0, regions=tiles + 2)
    first = bench.protection.tiles_end
    wrong = set()

    def flip(addr, word):
        """One word of every second tile is wrong, and right when it is read the next time."""
        if addr >= first or addr % (bench.tile + 1) != 3:
            return word
        if addr in wrong:
            wrong.discard(addr)
        elif bench.rng.random() < 0.5:
            wrong.add(addr)
        return word ^ (addr in wrong)

    async def scenario(ctx):
        bench.memory.flip = flip
        for number in range(tiles):
            bench.chip.read(bench.tile * number, bench.tile)
            bench.chip.write(first + CLUSTER * number, [(bench.rng.getrandbits(128), FULL)] * CLUSTER)
        await bench.drain(ctx, 20000)
        bench.check()
        fault, counters = await bench.registers(ctx)
        assert fault is None and counters["verified"] == tiles and counters["tiles_reread"] > 4

    bench.run(scenario)


def a_cluster_in_16_cycles(guard=Guard):
    """Whole clusters in a row, while the one before is written."""
    count = 24
    bench = Bench(guard=guard, stall=0, entries=16)
    written = []

    async def scenario(ctx):
        await bench.drain(ctx)
        for cluster in range(count):
            bench.chip.write(bench.protection.tiles_end + CLUSTER * cluster,
                             [(bench.rng.getrandbits(128), FULL)] * CLUSTER)

        def look():
            written.append(len(bench.memory.written))
            return written[-1] == count

        await bench.drain(ctx, until=look)
        assert written.index(count) - written.index(4) <= 16 * (count - 4)

    bench.run(scenario)


CHECKS = (a_cluster_in_16_cycles, lost_writes, lost_and_written_again, busy_until_verified, patrolled, verified_again,
          sealed_again)

MUTATIONS = {
    "a gap in busy": (
        ("verifier", "writer", "guard"), "(used != 0) | asking.any()", "asking.any()", busy_until_verified),
    "one claim at a time": (
        ("emitter", "writer", "guard"), "log.look.eq(self.i.valid)\n                with m.If(self.i.valid):",
        "log.look.eq(self.i.valid)\n                with m.If(self.i.valid & ~self.placing):", a_cluster_in_16_cycles),
    "two places for sealed ones": (
        ("merger", "writer", "guard"), "SEALED = 4", "SEALED = 2", a_cluster_in_16_cycles),
    "the CRC of the next one when read again": (
        ("writer", "guard"), "verifier.verified.eq(self.judged & (mine == Purpose.VERIFY))",
        "verifier.verified.eq((self.judged | self.restart) & (mine == Purpose.VERIFY))", verified_again),
    "sealed though its checks were lost": (
        ("merger", "writer", "guard"), "with m.If(self.restart):\n                m.d",
        "with m.If(0):\n                m.d", sealed_again),
}


@pytest.mark.parametrize("check", CHECKS)
def test_guard(check):
    check()


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_guard_is_caught(name):
    *mutation, check = MUTATIONS[name]
    with pytest.raises(AssertionError):
        check(broken(*mutation))
