import random
import struct

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.sim import Simulator
from dojang_hdl.config import ChipConfig
from dojang_hdl.node.candidates import Candidates
from dojang_hdl.node.sram import Sram
from dojang_sim.benches.mutation import mutate

K = 16


class _Bench(wiring.Component):
    def __init__(self, candidates=Candidates):
        self.dut, self.sram = candidates(K), Sram(ChipConfig("t", sram_words=128))
        super().__init__({})

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut, m.submodules.sram = self.dut, self.sram
        wiring.connect(m, self.dut.sram, self.sram.read[0])
        return m


def bits(value: float) -> int:
    return struct.unpack("<I", struct.pack("<f", value))[0]


def number(pattern: int) -> float:
    return struct.unpack("<f", struct.pack("<I", pattern))[0]


def run(lists, candidates=Candidates):
    """Offer the lists (element patterns, first id, reset) one after the other; the final list as (pattern, id)."""
    bench, final = _Bench(candidates), []

    async def testbench(ctx):
        for elements, index, reset in lists:
            padded = elements + [bits(1e30)] * (-len(elements) % 4)  # must never be listed
            for i in range(0, len(padded), 4):
                ctx.set(bench.sram.local.addr, i // 4)
                ctx.set(bench.sram.local.data, sum(e << 32 * j for j, e in enumerate(padded[i:i + 4])))
                ctx.set(bench.sram.local.mask, 0xF)
                ctx.set(bench.sram.local.en, 1)
                await ctx.tick()
            ctx.set(bench.sram.local.en, 0)
            ctx.set(bench.dut.command.payload, {"a": 0, "n": len(elements), "index": index, "reset": reset})
            ctx.set(bench.dut.command.valid, 1)
            await ctx.tick().until(bench.dut.command.ready)
            ctx.set(bench.dut.command.valid, 0)
            cycles = 1
            while ctx.get(bench.dut.busy):
                await ctx.tick()
                cycles += 1
                assert cycles < 1000, "never idle"
            last_is_nan = bool(elements) and number(elements[-1]) != number(elements[-1])
            assert cycles == (len(elements) + 4 - last_is_nan if elements else 1), "one element per cycle"
        for place in range(K):
            ctx.set(bench.dut.select, place)
            await ctx.tick()
            final.append((ctx.get(bench.dut.candidate.value), ctx.get(bench.dut.candidate.id)))

    simulator = Simulator(bench)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()
    return final


def best(pairs):
    """Stable descending sort: of equal values the one offered first leads."""
    return sorted(pairs, key=lambda pair: number(pair[0]), reverse=True)[:K]


@pytest.mark.parametrize("seed", range(4))
def test_largest_in_order(seed):
    rng = random.Random(seed)
    values = [bits(rng.choice((rng.gauss(0, 10), rng.randrange(-3, 4) + 0.5))) for _ in range(150)]
    lists = [(values[:61], 1000, 1), (values[61:62], 1061, 0), (values[62:], 1062, 0)]
    assert run(lists) == best([(value, 1000 + i) for i, value in enumerate(values)])


def test_fewer_than_k_leaves_empty_places_and_reset_forgets():
    first = ([bits(5.0)] * 20, 0, 1)
    second = ([bits(v) for v in (-1.0, 2.0, float("inf"), -float("inf"), 0.0)], 7, 1)
    final = run([first, second])
    assert final[:5] == best([(pattern, 7 + i) for i, pattern in enumerate(second[0])])
    assert all(identity == 0xFFFFFFFF for _, identity in final[5:])


def test_nan_is_never_listed():
    final = run([([0x7FC00000, bits(-3.0), 0xFFC00001, 0x7F800001], 0, 1)])
    assert final[0] == (bits(-3.0), 1) and final[1][1] == 0xFFFFFFFF


def test_no_elements_do_nothing_even_with_reset():
    assert run([([bits(1.0)], 5, 1), ([], 0, 1)])[0] == (bits(1.0), 5)


def test_equals_keep_their_order_when_a_larger_one_comes():
    offered = [3.0, 2.0, 2.0, 2.0, 1.0, 2.0, 4.0, 3.0]
    got = run([([bits(value) for value in offered], 10, True)])
    order = sorted(range(len(offered)), key=lambda i: -offered[i])
    assert got[:len(offered)] == [(bits(offered[i]), 10 + i) for i in order]


MUTATIONS = {
    "later equals in front": ("own < key", "own <= key"),
    "negative as positive": ("value[:31] ^ value[31].replicate(31)", "value[:31]"),
    "signs swapped": ("~value[31]", "value[31]"),
    "NaN listed": ("offered & ~is_nan", "offered"),
    "infinity dropped": ("element[:23].any()", "element[:23].any() | 1"),
    "not pushed down": ("keys[place].eq(Mux(above_beaten, above_key, key))", "keys[place].eq(key)"),
    "slot of another": ("slots[place].eq(Mux(above_beaten, above_slot, slots[-1]))", "slots[place].eq(above_slot)"),
    "written when beaten": ("entering & beats[-1]", "entering"),
    "not emptied": ("m.d.sync += [keys[place].eq(0), taken[place].eq(0)]", "m.d.sync += keys[place].eq(0)"),
    "emptied by nothing": ("accept & command.reset & (command.n != 0)", "accept & command.reset"),
    "keys kept": ("m.d.sync += [keys[place].eq(0), taken[place].eq(0)]", "m.d.sync += taken[place].eq(0)"),
    "id early": ("index.eq(index + offered)", "index.eq(index + running)"),
    "lane early": ("word_select(lanes[-1], 32)", "word_select(lanes[0], 32)"),
    "next word early": ("lane.all()", "(lane == 2)"),
    "idle too early": ("reading.any() | entering", "reading.any()"),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_list_is_caught(name):
    broken = mutate("dojang_hdl.node.candidates", *MUTATIONS[name]).Candidates
    rng = random.Random(1)
    values = [bits(rng.choice((rng.gauss(0, 10), rng.randrange(-3, 4) + 0.5))) for _ in range(60)]
    values[20], values[5] = 0x7FC00000, bits(float("inf"))
    expected = best([(value, 9 + i) for i, value in enumerate(values) if value != 0x7FC00000])
    with pytest.raises(AssertionError):
        assert run([([bits(99.0)] * 3, 1, 1), (values, 9, 1), ([], 7, 1)], broken) == expected
        few = run([([bits(9.0)] * 20, 1, 1), ([bits(-2.0), bits(-1.0)], 1, 1)], broken)
        assert few == [(bits(-1.0), 2), (bits(-2.0), 1)] + [(0xFFFFFFFF, 0xFFFFFFFF)] * (K - 2)
