"""The arbiter against a list of who was served longest ago."""

import random

import pytest
from amaranth.sim import Simulator
from dojang_hdl.streams.arbiter import MatrixArbiter


@pytest.mark.parametrize("count", [2, 3, 5])
def test_the_one_served_longest_ago_is_granted(count):
    arbiter, rng = MatrixArbiter(count), random.Random(count)
    waiting = list(range(count))  # longest ago first

    async def bench(ctx):
        for _ in range(300):
            request, advance = rng.randrange(1 << count), rng.random() < 0.7
            ctx.set(arbiter.request, request)
            ctx.set(arbiter.advance, advance)
            winner = next((index for index in waiting if request >> index & 1), None)
            assert ctx.get(arbiter.grant) == ctx.get(arbiter.select) == (0 if winner is None else 1 << winner)
            if winner is not None and advance:
                waiting.remove(winner)
                waiting.append(winner)
            await ctx.tick()

    simulator = Simulator(arbiter)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()


def test_no_requesters_is_refused():
    with pytest.raises(ValueError, match="count=0"):
        MatrixArbiter(0)
