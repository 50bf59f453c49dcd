"""The merge: nothing lost, order kept, full throughput, fair; and broken merges that this check catches."""

import random

import pytest
from dojang_hdl.streams.merge import StreamMerge
from dojang_sim.benches.mutation import mutate
from dojang_sim.benches.streams import run

ITEMS = 40

MUTATIONS = {
    "overwritten": ("arbiter.advance.eq(~self.o.valid | self.o.ready)", "arbiter.advance.eq(1)"),
    "half throughput": ("arbiter.advance.eq(~self.o.valid | self.o.ready)", "arbiter.advance.eq(~self.o.valid)"),
    "taken without a register": ("i.ready.eq(grant & arbiter.advance)", "i.ready.eq(grant)"),
    "all taken at once": ("i.ready.eq(grant & arbiter.advance)", "i.ready.eq(arbiter.advance)"),
    "another one's item": ("multiplex(arbiter.select,", "multiplex(~arbiter.select,"),
}


def check(merge, count, stall_in, stall_out):
    """Each input offers (its number, 0 … ITEMS - 1); returns the numbers of the inputs in the order of leaving."""
    dut, rng = merge(16, count), random.Random(count)
    following = [0] * count
    offered, expected, order = [False] * count, [0] * count, []
    cycles = 0

    async def bench(ctx):
        nonlocal cycles
        while len(order) < ITEMS * count:
            for index, i in enumerate(dut.i):
                offered[index] = offered[index] or (following[index] < ITEMS and rng.random() >= stall_in)
                ctx.set(i.valid, offered[index])
                ctx.set(i.payload, index << 8 | following[index])
            ctx.set(dut.o.ready, rng.random() >= stall_out)
            for index, i in enumerate(dut.i):
                if offered[index] and ctx.get(i.ready):
                    offered[index] = False
                    following[index] += 1
            if ctx.get(dut.o.valid) and ctx.get(dut.o.ready):
                index, item = divmod(ctx.get(dut.o.payload), 1 << 8)
                assert index < count and item == expected[index], "lost, repeated or out of order"
                expected[index] += 1
                order.append(index)
            await ctx.tick()
            cycles += 1

    run(dut, bench, cycles=10 * ITEMS * count)
    if not stall_in and not stall_out:
        assert cycles == ITEMS * count + dut.latency, "one item per cycle"
        for at in range(0, len(order), count):
            assert sorted(order[at:at + count]) == list(range(count)), "nobody is served twice before another"


@pytest.mark.parametrize("count", [1, 2, 4])
@pytest.mark.parametrize(("stall_in", "stall_out"), [(0, 0), (0.5, 0), (0, 0.5), (0.3, 0.3)])
def test_merge(count, stall_in, stall_out):
    check(StreamMerge, count, stall_in, stall_out)


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_merge_is_caught(name, count):
    merge = mutate("dojang_hdl.streams.merge", *MUTATIONS[name]).StreamMerge
    with pytest.raises(AssertionError):
        for stall in (0, 0.5):
            check(merge, count, stall, stall)
