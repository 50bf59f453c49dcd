"""Words between two memory ports, and which of them are made wrong."""

import random

import pytest
from dojang_hdl.guard.injector import Injector
from dojang_sim.benches.mutation import mutate
from dojang_sim.benches.streams import receive, run, send

MASK = 1 << 127 | 0xF

MUTATIONS = {
    "nothing skipped": ("next_active.eq((state.skip == 1) & (state.count != 0))", "next_active.eq(state.count != 0)"),
    "never ends": ("state.count.eq(state.count - 1)", "state.count.eq(state.count)"),
    "skips cycles": ("with m.Elif(moved & (state.skip != 0)):", "with m.Elif(state.skip != 0):"),
    "counts cycles": ("with m.Elif(moved & active):", "with m.Elif(active):"),
    "both directions": ("next_active & (next_write == write)", "next_active"),
    "the other direction counted": ("moved.eq(Mux(state.write, ", "moved.eq(Mux(~state.write, "),
    "never begins anew": ("with m.If(self.start):", "with m.If(self.start & (state.count == 0)):"),
    "all bits": ("hit.eq(self.mask)", "hit.eq(~0)"),
    "one too many": ("next_active.eq(state.count != 1)", "next_active.eq(1)"),
    "none wanted": ("next_active.eq((state.skip == 1) & (state.count != 0))", "next_active.eq(state.skip == 1)"),
}


def check(injector, write, stall, skip, count, words=40):
    dut, rng = injector(), random.Random(skip + count)
    data = {name: [rng.getrandbits(128) for _ in range(words)] for name in ("write", "read")}
    masks = [rng.getrandbits(16) for _ in range(words)]
    commands = [{"write": rng.randrange(2), "addr": rng.getrandbits(32), "length": index} for index in range(9)]
    wrong = {"write" if write else "read": range(skip, skip + count)}
    rngs = iter([random.Random(index) for index in range(6)])

    async def main(ctx):
        # A running injection ends when another one is begun.
        ctx.set(dut.mask, MASK)
        for injection in ({"skip": 2, "count": 9, "write": not write}, {"skip": skip, "count": count, "write": write}):
            ctx.set(dut.injection, injection)
            ctx.set(dut.start, 1)
            await ctx.tick()
            ctx.set(dut.start, 0)
            assert ctx.get(dut.left) == injection["count"]
        started.append(True)

    started = []

    async def begin(ctx):
        while not started:
            await ctx.tick()

    def source(stream, payloads, rng):
        async def bench(ctx):
            await begin(ctx)
            await send(ctx, stream, payloads, rng, stall)
        return bench

    def sink(name, stream, rng):
        async def bench(ctx):
            await begin(ctx)
            for index, (word, found) in enumerate(zip(data[name], await receive(ctx, stream, words, rng, stall),
                                                      strict=True)):
                expected = word ^ (MASK if index in wrong.get(name, ()) else 0)
                assert (found if name == "read" else found.data) == expected, (name, index)
                assert name == "read" or found.mask == masks[index]
            assert name not in wrong or ctx.get(dut.left) == 0
        return bench

    async def through(ctx):
        received = await receive(ctx, dut.o.command, len(commands), next(rngs), stall)
        for sent, found in zip(commands, received, strict=True):
            assert (found.write, found.addr, found.length) == tuple(sent.values())

    written = [{"data": word, "mask": mask} for word, mask in zip(data["write"], masks, strict=True)]
    run(dut, main, source(dut.i.write, written, next(rngs)),
        source(dut.o.read, data["read"], next(rngs)), source(dut.i.command, commands, next(rngs)),
        sink("write", dut.o.write, next(rngs)), sink("read", dut.i.read, next(rngs)), through, cycles=20 * words)


CASES = ((0, 1), (5, 3), (0, 0), (2, 0), (1, 39), (39, 1))


@pytest.mark.parametrize("write", [0, 1])
@pytest.mark.parametrize("stall", [0, 0.4])
def test_the_words_that_were_meant(write, stall):
    for skip, count in CASES:
        check(Injector, write, stall, skip, count)


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_injector_is_caught(name):
    broken = mutate("dojang_hdl.guard.injector", *MUTATIONS[name]).Injector
    with pytest.raises(AssertionError):
        for write in (0, 1):
            for skip, count in CASES:
                check(broken, write, 0.4, skip, count)
