"""Least distances against a list of everything that happened."""

import random

import pytest
from dojang_hdl.lpddr4.cooldown import Cooldown
from dojang_sim.benches.mutation import mutate
from dojang_sim.benches.streams import run

MUTATIONS = {
    "one cycle short": ("max(distance - 1, 0)", "max(distance - 2, 0)"),
    "one cycle long": ("max(distance - 1, 0)", "max(distance, 0)"),
    "a short one ends a long one": ("following |= event", "following = event"),
    "soon too late": ("~busy[1:2].any()", "~busy[0]"),
    "soon too early": ("~busy[1:2].any()", "~busy[2:3].any()"),
    "longest only": ("event.replicate(len(busy)) & mask", "event.replicate(len(busy))"),
}


def check(cooldown=Cooldown, distances=(3, 9, 1)):
    dut, rng = cooldown(*distances), random.Random(str(distances))
    happened = []

    async def bench(ctx):
        for cycle in range(400):
            for ready, at in ((dut.ready, cycle), (dut.soon, cycle + 1)):
                assert ctx.get(ready) == all(at - then >= distances[kind] for then, kind in happened), cycle
            events = [kind for kind in range(len(distances)) if rng.random() < 0.07]
            happened.extend((cycle, kind) for kind in events)
            ctx.set(dut.event, sum(1 << kind for kind in events))
            await ctx.tick()

    run(dut, bench, cycles=500)


@pytest.mark.parametrize("distances", [(3, 9, 1), (7,), (1,), (0, -2), (2, 2), (40, 5)])
def test_ready_when_every_distance_is_over(distances):
    check(distances=distances)


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_cooldown_is_caught(name):
    with pytest.raises(AssertionError):
        check(mutate("dojang_hdl.lpddr4.cooldown", *MUTATIONS[name]).Cooldown)
