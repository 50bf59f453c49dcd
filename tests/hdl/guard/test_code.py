"""The code as logic against its definition, bit by bit and against the packer's tables."""

import random

import numpy as np
import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from dojang.compile import protection
from dojang_hdl.guard import code
from dojang_hdl.guard.layout import CHECK_BITS, COLUMNS
from dojang_sim.benches.mutation import mutate
from dojang_sim.benches.streams import run

MUTATIONS = {
    "a column left out": ("zip(word, COLUMNS,", "zip(word, COLUMNS[:-1],"),
    "a row left out": ("range(CHECK_BITS)", "range(CHECK_BITS - 1)"),
    "rows exchanged": ("column >> row & 1", "column >> (row ^ 1) & 1"),
    "columns exchanged": (".all() for column in COLUMNS)", ".all() for column in reversed(COLUMNS))"),
    "any syndrome": ("syndrome[at:at + 3] == value", "(syndrome[at:at + 3] & value) == value"),
}


class Code(wiring.Component):
    """Both functions; the results a cycle later."""

    word: In(128)
    check: In(CHECK_BITS)
    syndrome: Out(CHECK_BITS)
    fixed: Out(128)

    def __init__(self, functions):
        self._functions = functions
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        syndrome = Signal(CHECK_BITS)
        m.d.comb += syndrome.eq(self._functions.check_bits(self.word) ^ self.check)
        m.d.sync += [self.syndrome.eq(syndrome), self.fixed.eq(self._functions.corrected(self.word, syndrome))]
        return m


def errors(rng, doubles):
    """(bits of the word, check bits) that are wrong: each one, and pairs."""
    single = [(1 << bit, 0) for bit in range(128)] + [(0, 1 << bit) for bit in range(CHECK_BITS)]
    pairs = [rng.sample(single, 2) for _ in range(doubles)]
    return [(0, 0), *single, *((a ^ c, b ^ d) for (a, b), (c, d) in pairs)]


def check(functions, doubles=300):
    dut, rng = Code(functions), random.Random(1)
    words = [rng.getrandbits(128) for _ in range(20)]
    checks = protection.check_bits(np.frombuffer(b"".join(word.to_bytes(16, "little") for word in words), np.uint8
                                                 ).reshape(-1, 16)).tolist()

    async def bench(ctx):
        for data, flipped in errors(rng, doubles):
            word, right = rng.choice(list(zip(words, checks, strict=True)))
            ctx.set(dut.word, word ^ data)
            ctx.set(dut.check, right ^ flipped)
            await ctx.tick()
            wrong = data.bit_count() + flipped.bit_count()
            assert ctx.get(dut.syndrome).bit_count() % 2 == wrong % 2, "odd weight: one wrong bit, or none and two"
            assert (ctx.get(dut.syndrome) == 0) == (wrong == 0)
            assert ctx.get(dut.fixed) == (word if wrong < 2 else word ^ data)

    run(dut, bench, cycles=doubles + 200)


def test_one_wrong_bit_is_corrected_two_are_seen():
    check(code)


def test_columns():
    """Of the code that is promised: distance 4, and rows about as wide as each other."""
    assert len(set(COLUMNS)) == 128
    assert all(column.bit_count() % 2 and column.bit_count() > 1 for column in COLUMNS)
    widths = [sum(column >> row & 1 for column in COLUMNS) for row in range(CHECK_BITS)]
    assert max(widths) - min(widths) <= 1


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_code_is_caught(name):
    broken = mutate("dojang_hdl.guard.code", *MUTATIONS[name])
    with pytest.raises(AssertionError):
        check(broken, doubles=100)
