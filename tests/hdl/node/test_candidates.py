"""Offers to the candidate lists of one context and of several, and mutations that these must catch."""

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
EMPTY = (0xFFFFFFFF, 0xFFFFFFFF)


class _Bench(wiring.Component):
    def __init__(self, candidates, k, contexts):
        self.dut, self.sram = candidates(k, contexts), Sram(ChipConfig("t", sram_words=128))
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


def run_contexts(offers, contexts, k=K, candidates=Candidates, rng=None):
    """Offers (context, element patterns, first id, reset) one after the other, apart by random times with ``rng``;
    every context's final list as (pattern, id)."""
    bench, final = _Bench(candidates, k, contexts), []
    costs = bench.dut.cycles, bench.dut.recall
    assert costs == ((k + 7, k) if contexts > 1 else (4, 0)), "no worse than what the reference page says"

    async def testbench(ctx):
        for context, elements, index, reset in offers:
            padded = elements + [bits(1e30)] * (-len(elements) % 4)  # must never be listed
            for i in range(0, len(padded), 4):
                ctx.set(bench.sram.local.addr, i // 4)
                ctx.set(bench.sram.local.data, sum(e << 32 * j for j, e in enumerate(padded[i:i + 4])))
                ctx.set(bench.sram.local.mask, 0xF)
                ctx.set(bench.sram.local.en, 1)
                await ctx.tick()
            ctx.set(bench.sram.local.en, 0)
            if rng is not None:
                await ctx.tick().repeat(rng.randrange(1, 9))
            ctx.set(bench.dut.command.payload, {
                "a": 0, "n": len(elements), "index": index, "reset": reset, "context": context})
            ctx.set(bench.dut.command.valid, 1)
            await ctx.tick().until(bench.dut.command.ready)
            ctx.set(bench.dut.command.valid, 0)
            ctx.set(bench.dut.command.payload.as_value(), -1)
            cycles = 1
            while ctx.get(bench.dut.busy):
                await ctx.tick()
                cycles += 1
                assert cycles < 1000, "never idle"
            last_is_nan = bool(elements) and number(elements[-1]) != number(elements[-1])
            expected = len(elements) + bench.dut.cycles + (0 if reset else bench.dut.recall)
            assert cycles == (expected - last_is_nan if elements else 1), "one element per cycle"
        for context in range(contexts):
            ctx.set(bench.dut.context, context)
            final.append([])
            for place in range(k):
                ctx.set(bench.dut.select, place)
                await ctx.tick().repeat(2)
                final[-1].append((ctx.get(bench.dut.candidate.value), ctx.get(bench.dut.candidate.id)))

    simulator = Simulator(bench)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()
    return final


def run(lists, candidates=Candidates):
    """`run_contexts` of the only one."""
    return run_contexts([(0, *offer) for offer in lists], 1, candidates=candidates)[0]


def best(pairs, k=K):
    """Stable descending sort: of equal values the one offered first leads."""
    return sorted(pairs, key=lambda pair: number(pair[0]), reverse=True)[:k]


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


def check_contexts(contexts, k, seed, candidates=Candidates):
    """Lists filled in turns: equal values, NaN, some reset again, some with fewer than ``k`` elements."""
    rng = random.Random(seed)
    lists, offers = [None] * contexts, []
    for context in [*rng.sample(range(contexts), contexts), *(rng.randrange(contexts) for _ in range(2 * contexts))]:
        elements = [rng.choice((bits(rng.randrange(-3, 4) + 0.5), bits(rng.gauss(0, 3)), 0x7FC00000))
                    for _ in range(rng.choice((0, 1, 2, 5, rng.randrange(1, 40))))]
        if lists[context] is None:
            elements = elements or [bits(1.0)]
        reset = lists[context] is None or rng.random() < 0.2
        offers.append((context, elements, 100 * len(offers), int(reset)))
        if elements:
            listed = [(value, 100 * (len(offers) - 1) + i) for i, value in enumerate(elements) if value != 0x7FC00000]
            lists[context] = best(([] if reset else lists[context]) + listed, k)
    expected = [kept + [EMPTY] * (k - len(kept)) for kept in lists]
    assert run_contexts(offers, contexts, k, candidates, rng) == expected


@pytest.mark.parametrize(("contexts", "k", "seed"), [(2, 16, 1), (5, 18, 2), (12, 16, 3), (32, 16, 4)])
def test_lists_of_several_contexts(contexts, k, seed):
    check_contexts(contexts, k, seed)


MUTATIONS = {
    "later equals in front": ("own < key", "own <= key"),
    "negative as positive": ("value[:31] ^ value[31].replicate(31)", "value[:31]"),
    "signs swapped": ("~value[31]", "value[31]"),
    "NaN listed": ("offered & ~is_nan", "offered"),
    "infinity dropped": ("element.value[:23].any()", "element.value[:23].any() | 1"),
    "not pushed down": ("keys[place].eq(Mux(above_beaten, above_key, key))", "keys[place].eq(key)"),
    "slot of another": ("slots[place].eq(Mux(above_beaten, above_slot, slots[-1]))", "slots[place].eq(above_slot)"),
    "written when beaten": ("entering & beats[-1]", "entering"),
    "not emptied": ("m.d.sync += [keys[place].eq(0), taken[place].eq(0)]", "m.d.sync += keys[place].eq(0)"),
    "emptied by nothing": ("begins.eq(accept & (command.n != 0))", "begins.eq(accept)"),
    "keys kept": ("m.d.sync += [keys[place].eq(0), taken[place].eq(0)]", "m.d.sync += taken[place].eq(0)"),
    "id early": ("index + (offered & ~recalled)", "index + running"),
    "lane early": ("word_select(lanes[-1], 32)", "word_select(lanes[0], 32)"),
    "next word early": ("lane.all()", "(lane == 2)"),
    "idle too early": ("reading.any() | entering | keeping", "reading.any() | keeping"),
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
        assert few == [(bits(-1.0), 2), (bits(-2.0), 1)] + [EMPTY] * (K - 2)


KEPT_MUTATIONS = {
    "never brought back": ("candidates", "kept.recall.eq(~command.reset)", "kept.recall.eq(0)"),
    "brought back in spite of reset": ("candidates", "kept.recall.eq(~command.reset)", "kept.recall.eq(1)"),
    "not emptied": ("candidates", "begins if self._several else begins & command.reset", "begins & command.reset"),
    "ids of elements": ("candidates", "element.eq(kept.candidate)", "element.value.eq(kept.candidate.value)"),
    "ids count what was kept": ("candidates", "offered & ~recalled", "offered"),
    "elements offered meanwhile": ("candidates", "(left != 0) & ~recalling", "(left != 0)"),
    "put back too early": ("candidates", "~(running | reading.any() | entering)", "~(running | reading.any())"),
    "idle before it is put back": ("candidates", "entering | keeping)", "entering)"),
    "context of the next command": ("kept_lists", "Cat(written, context)", "Cat(written, self.context)"),
    "all contexts' list": ("kept_lists", "context.eq(self.context)", "context.eq(0)"),
    "another context's is read": ("kept_lists", "Cat(self.select, self.read_context)", "Cat(self.select, context)"),
    "put back a place too far": ("kept_lists", "words.write.en.eq(write[-1])", "words.write.en.eq(write[0])"),
    "a place is left out": ("kept_lists", "self.place == self._k - 1", "self.place == self._k - 2"),
    "read a cycle early": ("kept_lists", "self.recalled.eq(coming[-1])", "self.recalled.eq(coming[0])"),
    "written on from the last time": ("kept_lists", ", written.eq(0)]", "]"),
}


@pytest.mark.parametrize("name", KEPT_MUTATIONS)
def test_broken_lists_of_contexts_are_caught(name):
    part, old, new = KEPT_MUTATIONS[name]
    broken = mutate(f"dojang_hdl.node.{part}", old, new, ["dojang_hdl.node.candidates"] * (part == "kept_lists"))
    with pytest.raises(AssertionError):
        check_contexts(5, 18, 2, broken.Candidates)
