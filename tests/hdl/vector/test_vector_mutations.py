"""Each of these broken vector units must be caught by the short program that the real one passes."""

from random import Random

import pytest
from dojang_hdl.isa import Add, Fn, Mul, Mul2, Reduce, Round
from dojang_sim.benches.mutation import mutate
from dojang_sim.benches.vector_commands import CORNERS, RX, VectorMachine, random_patterns
from dojang_sim.benches.vector_run import load_scalar, run_commands

MUTATIONS = {
    "wrong lane": ("fetch", "lane_a = lane_b ^ swap", "lane_a = lane_b ^ 1"),
    "swap ignored": ("fetch", "lane_a = lane_b ^ swap", "lane_a = lane_b"),
    "b swapped as well": ("fetch", "self.b, lane_b", "self.b, lane_a"),
    "one element too many": ("fetch", "reading.eq(left != 1)", "reading.eq(left != 0)"),
    "b's address stands still": ("fetch", "self.b.addr.eq(self.b.addr + 1)", "self.b.addr.eq(self.b.addr)"),
    "SRAM one cycle faster": ("fetch", "range(SRAM_LATENCY - 1)", "range(SRAM_LATENCY - 2)"),
    "b overtakes x": ("stage", "at == latency - 1", "at == latency - 2"),
    "b not carried around": ("stage", "self.i.b, latency, moving), self.i.b)", "self.i.b, latency, moving), 0)"),
    "bypass computes": ("stage", "self.o.x.eq(Mux(self.use, unit.o, self.i.x))", "self.o.x.eq(unit.o)"),
    "last lost in a stage": ("stage", "Mux(self.use, last[-1], self.i.last)", "Mux(self.use, 0, self.i.last)"),
    "partial word dropped": ("writer", "(lane == ELEMENTS - self._lanes) | self.last", "lane == ELEMENTS - 1"),
    "partial word overwrites": ("writer", "write.mask.eq(1)]", "write.mask.eq(-1)]"),
    "stores although told not to": ("writer", "write.en.eq(full & store)", "write.en.eq(full)"),
    "padding one word short": ("writer", "word == BLOCK_WORDS - 1", "word == BLOCK_WORDS - 2"),
    "padding without end": ("writer", "padding.eq(~last_word), self.done", "padding.eq(1), self.done"),
    "padding repeats the last word": ("writer", "write.data.eq(0), ", ""),
    "sum in one partial": ("sum", "Mux(touched[-1], back, 0)", "Mux(touched[0], back, 0)"),
    "partials kept from the last sum": ("sum", "m.d.sync += [touched.eq(0), to.eq(0)]", "m.d.sync += to.eq(0)"),
    "untouched partials read": ("sum", "Mux(touched[2 * j + k], read.data, 0)", "read.data"),
    "partials one off": ("sum", "m.d.sync += [index.eq(0), to.eq(0)]", "m.d.sync += index.eq(0)"),
    "tree of half": ("sum", "pairs.eq(PARTIALS // 2)", "pairs.eq(PARTIALS // 4)"),
    "NaN wins": ("extremum", "self.valid & ~is_nan", "self.valid"),
    "last of equals": ("extremum", "m.If(key > best)", "m.If(key >= best)"),
    "negatives in the wrong order": ("extremum", "~(magnitude | _SIGN)", "magnitude"),
    "zeros distinguished": ("extremum", "negative & (magnitude != 0)", "negative"),
    "denormals compared": ("extremum", "Mux(exponent == 0, 0, z[:31])", "z[:31]"),
    "absolute ignored": ("extremum", "z[31] & ~absolute", "z[31]"),
    "MAX starts at zero": ("extremum", "Mux(absolute, 0, _SIGN | _INFINITY)", "0"),
    "n = 0 starts": ("unit", "self.command.ready & (payload.n != 0)", "self.command.ready"),
    "idle before the scalar is readable": ("unit", "m.If(reduced)", "m.If(reducer.write | reducer.done)"),
    "idle before the last write": ("unit", "m.If(writer.done)", "m.If(writer.valid & writer.last)"),
    "scalar operands exchanged": ("unit", "Mux(begun, command.s, command.s_a)", "Mux(begun, command.s_a, command.s)"),
    "scalar written elsewhere": ("unit", "write.addr.eq(command.s_out)", "write.addr.eq(command.s)"),
    "a squared with b": ("lane", "Mul.A: x", "Mul.A: y"),
    "multiplied by the wrong constant": ("lane", "Mul.IMM: command.imm0", "Mul.IMM: command.imm1"),
    "adds b of another element": ("lane", "Add.B: mul.o.b", "Add.B: y"),
    "multiplies by b of another element": ("lane", "Mul2.B: fn.o.b", "Mul2.B: mul.o.b"),
    "always FP16": ("lane", "convert.y.eq(command.round)", "convert.y.eq(Round.FP16)"),
    "always reciprocal": ("lane", "fn.y.eq(command.fn)", "fn.y.eq(Fn.RECIP)"),
    "clipping kept secret": ("unit", "lane.saturated for", "0 for"),
    "clipping of what is not there": ("fetch", "self.valid.eq(tag[0])", "self.valid.eq(1)"),
    "addition skipped": ("lane", "command.add != Add.ZERO", "command.add == Add.S"),
}
WORD_MUTATIONS = {
    "swap ignored": ("fetch", "Mux(swap, other, element)", "element"),
    "the last word whole": ("fetch", "now & (~final | (left[:3] > i))", "now"),
    "sums too fast": ("fetch", "slow & ~pause", "0"),
    "the last word written whole": ("writer", "write.mask.eq(self.valid)", "write.mask.eq(-1)"),
    "no zeros behind the last": ("writer", "& self.valid[i].replicate(32) for", "for"),
    "clipping noticed in one lane": ("unit", "for lane in lanes))", "for lane in lanes[:1]))"),
    "half of a word summed": ("reduce", "self.valid[:half] | upper_valid", "self.valid[:half]"),
    "sums end at half a word": ("reduce", "self.last & ~self.valid[half]", "self.last"),
    "one element a cycle counted": ("sum", "(touched << j + 1) | (2 << j) - 1", "(touched << 1) | 1"),
    "both adders fold the same": ("sum", "Const(j, width - 1)", "Const(0, width - 1)"),
    "adders read what they have summed": ("sum", "(adders[k], 1)", "(adders[j], 1)"),
    "no winner of equals": ("extremum", "orders[lane] >= other", "orders[lane] > other"),
    "the last of equals in a word": ("extremum", "if lane < at", "if lane > at"),
    "NaN wins in a word": ("extremum", "self.valid[lane] & ~is_nan, order", "self.valid[lane], order"),
    "what is behind the last wins": ("extremum", "self.valid[lane] & ~is_nan, order", "~is_nan, order"),
    "the fold before's last word": ("extremum", "m.Elif(waiting & Cat", "m.Elif(Cat"),
}
"""Of units with four lanes."""

WORDS = 128
A, B, D = 0x10, RX | 0x08, 0x40
COMMON = {"a": A, "b": B, "d": D, "store": 1, "s": 1, "s_a": 2, "imm0": 0xBEC00000, "imm1": 0x3FE00000}

PROGRAM = [load_scalar(1, 1.5), load_scalar(2, -3), load_scalar(9, 5)] + [COMMON | command for command in (
    {"n": len(CORNERS)},
    {"n": len(CORNERS), "store": 0, "reduce": Reduce.MAX, "s_out": 3},
    {"n": len(CORNERS), "store": 0, "reduce": Reduce.MAXABS, "s_out": 4},
    {"n": 0, "reduce": Reduce.MAX, "s_out": 9},
    {"n": 13, "a": 0x60, "mul": Mul.B, "swap": 1},
    {"n": 13, "a": 0x60, "round": Round.INT8},
    {"n": 6, "mul": Mul.IMM, "add": Add.B, "mul2": Mul2.B, "pad32": 1},
    {"n": 29, "mul": Mul.S, "add": Add.IMM, "round": Round.FP16, "pad32": 1},
    {"n": 9, "a": 0x60, "mul": Mul.A, "add": Add.S, "fn": Fn.RSQRT},
    {"n": 5, "a_scalar": 1, "mul": Mul.B, "fn": Fn.EXP2, "mul2": Mul2.S},
    {"n": 9, "a": 0x70, "b": B, "mul": Mul.ONE, "add": Add.B, "fn": Fn.RECIP, "mul2": Mul2.B},
    {"n": 20, "a": 0x60, "mul": Mul.IMM, "reduce": Reduce.SUM, "s_out": 5},
    {"n": 3, "a": 0x60, "store": 0, "reduce": Reduce.SUM, "s_out": 6},
    {"n": 2, "a": 0x68, "store": 0, "reduce": Reduce.MAX, "s_out": 7},
    {"n": 2, "a": 0x69, "store": 0, "reduce": Reduce.MAX, "s_out": 8},
    {"n": 2, "a": 0x6A, "store": 0, "reduce": Reduce.MAX, "s_out": 10},
    {"n": 3, "a": 0x6B, "store": 0, "reduce": Reduce.MAX, "s_out": 11},
    {"n": 3, "a": 0x6B, "store": 0, "reduce": Reduce.MAXABS, "s_out": 12},
    {"n": 1, "a": 0x6C, "store": 0, "reduce": Reduce.MAX, "s_out": 13},
    {"n": 2, "a": 0x6D, "store": 0, "reduce": Reduce.MAX, "s_out": 14},
    {"n": 4, "a": 0x6D, "round": Round.FP16},
)]


def check(unit, lanes=1):
    """Run `PROGRAM`: corner values, sums of plain numbers, extrema of zeros, NaN, negatives and denormals."""
    rng = Random(11)
    start = VectorMachine(WORDS, [[0, *random_patterns(rng, WORDS * 4 - 1)] for _ in range(2)])
    local = start.banks[0]
    local[A * 4:A * 4 + len(CORNERS)] = CORNERS
    local[0x60 * 4:0x60 * 4 + 32] = [0x3F000001 + (i << 20) + i * i for i in range(32)]
    local[0x68 * 4:0x68 * 4 + 24] = [
        0x80000000, 0x00000000, 0, 0, 0x00000000, 0x80000000, 0, 0, 0x80000001, 0x00000001, 0, 0,
        0xC0000000, 0xBF800000, 0x7FC00000, 0, 0x7FC00000, 0, 0, 0,
        0x3F800000, 0x40000000, 0x7F800000, 0x41000000]
    run_commands(unit(lanes), PROGRAM, start)


USERS = {"stage": ("lane", "unit"), "sum": ("reduce", "unit"), "extremum": ("reduce", "unit"), "unit": ()}


def mutant(module: str, old: str, new: str):
    """VectorUnit with ``old`` replaced by ``new`` in the source of one of its modules."""
    users = [f"dojang_hdl.vector.{user}" for user in USERS.get(module, ("unit",))]
    return mutate(f"dojang_hdl.vector.{module}", old, new, users).VectorUnit


@pytest.mark.parametrize("lanes", (1, 4))
def test_the_unit_passes(lanes):
    check(mutant("unit", "SCALARS = 16", "SCALARS = 0x10"), lanes)


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_unit_is_caught(name):
    unit = mutant(*MUTATIONS[name])
    with pytest.raises(AssertionError):
        check(unit)


@pytest.mark.parametrize("name", WORD_MUTATIONS)
def test_a_broken_unit_of_four_lanes_is_caught(name):
    unit = mutant(*WORD_MUTATIONS[name])
    with pytest.raises(AssertionError):
        check(unit, 4)
