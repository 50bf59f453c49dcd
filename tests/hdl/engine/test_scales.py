"""Words of scales that were taken ahead of a command on another stream are not that command's."""

import random

import pytest
from amaranth.sim import Simulator
from dojang_hdl.engine import scales as module
from dojang_hdl.isa import ScaleMode
from dojang_sim.benches.mutation import mutate


def check(scales, lanes, mode, words):
    """Commands of ``words`` words each; after each one another stream's words are taken ahead, and forgotten."""
    rng = random.Random(lanes)
    dut = scales.ScaleUnpacker(lanes)
    width = 16 * lanes * (2 if mode == ScaleMode.AFFINE else 1)
    used, unpacked = [], []

    async def testbench(ctx):
        ctx.set(dut.mode, mode)
        for count in words:
            content = [rng.getrandbits(128) for _ in range(count)]
            units = [word >> at & (1 << width) - 1 for word in content for at in range(0, 128, width)]
            following = content + [rng.getrandbits(128) for _ in range(3)]
            unpacked.clear()
            used.clear()
            issued = 0
            for _ in range(4 * len(units) + 8):
                ctx.set(dut.scales.valid, rng.random() < 0.8)
                ctx.set(dut.scales.payload, following[0])
                issue = issued < len(units) and ctx.get(dut.available)
                ctx.set(dut.issue, issue)
                ctx.set(dut.ends, issued == len(units) - 1)
                issued += bool(issue)
                used.append(ctx.get(dut.used))
                if ctx.get(dut.scales.valid) and ctx.get(dut.scales.ready):
                    following.pop(0)
                await ctx.tick()
                if issue:
                    unpacked.append(sum(ctx.get(value) << 16 * (2 * row + part if mode == ScaleMode.AFFINE else row)
                                        for row in range(lanes)
                                        for part, value in enumerate((dut.o.scale[row], dut.o.offset[row]))
                                        if mode == ScaleMode.AFFINE or not part))
            assert len(following) == 1, "two words are taken ahead"
            assert unpacked == units
            assert sum(used) == count
            ctx.set(dut.issue, 0)
            ctx.set(dut.forget, 1)   # a word taken in this cycle is forgotten too
            await ctx.tick()
            ctx.set(dut.forget, 0)

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()


@pytest.mark.parametrize("mode", [ScaleMode.SCALE, ScaleMode.AFFINE])
@pytest.mark.parametrize("lanes", [1, 2, 4])
def test_words_taken_ahead_are_forgotten(lanes, mode):
    check(module, lanes, mode, (1, 2, 3))


@pytest.mark.parametrize("kept", ["full.eq(0), ", "filling.eq(0), ", "using.eq(0), ", ", chosen.eq(1)]"])
def test_what_is_not_forgotten_is_noticed(kept):
    mutant = mutate(module.__name__, "[full.eq(0), filling.eq(0), using.eq(0), chosen.eq(1)]",
                    "[full.eq(0), filling.eq(0), using.eq(0), chosen.eq(1)]".replace(kept, "]" if "]" in kept else ""))
    with pytest.raises(AssertionError):
        for lanes in (1, 2, 4):
            check(mutant, lanes, ScaleMode.SCALE, (1, 2, 3))
