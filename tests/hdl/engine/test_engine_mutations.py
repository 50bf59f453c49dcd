"""Each of these broken engines must be caught by the checks that the real one passes."""

import pytest
from dojang_sim.benches import engine_units as checks
from dojang_sim.benches.mutation import mutate

MUTATIONS = {
    "truncation": ("element", "s.value[LOST - 1] & (magnitude[0] | below.any() | s.sticky)", "Const(0)"),
    "ties away from zero": ("element", " & (magnitude[0] | below.any() | s.sticky)", ""),
    "bits below the multiplication lost": ("element", "below.any() | s.sticky", "below.any()"),
    "sticky bits of the product lost": ("element", "below.any() | s.sticky", "s.sticky"),
    "no saturation": ("element", "magnitude | s.above.replicate(Q_BITS - 1)", "magnitude"),
    "rounded up beyond the largest magnitude": ("element", " & ~magnitude.all()", ""),
    "tiny elements count": ("element", "nan | (x.exponent < BIAS + E_MIN)", "nan"),
    "maximum of the block before": ("exponent", "Mux(complete, BIAS + E_MIN, running)", "running"),
    "exponent without upper end": ("exponent", "Mux(running > BIAS + E_MAX, BIAS + E_MAX, running)", "running"),
    "NaN sets the exponent": ("exponent", "Mux(is_nan(x), 0, x.exponent)", "x.exponent"),
    "infinity not reported": ("exponent", "pipe.valid & s.nonfinite", "0"),
    "sum not restarted": ("aligner", "Mux(s.first, 0, running) + s.four", "running + s.four"),
    "activation stride ignored": ("aligner", "following.eq(base + self.stride)", "following.eq(base + WORDS)"),
    "contexts mixed": ("aligner", "m.If(pipe.valid & (s.context == c))", "m.If(pipe.valid)"),
    "block replaced while in use": ("aligner", "m.If(self.take & (self.contexts >= c))", "m.If(pipe.valid)"),
    "sign plane positive": ("lane", "self.first & self.signed", "self.first & 0"),
    "planes of equal weight": ("lane", "Mux(s.first, 0, self.o << 1)", "Mux(s.first, 0, self.o)"),
    "subtracted without carry": ("lane", "Cat(s.negative, doubled)", "Cat(0, doubled)"),
    "row not restarted": ("lane", "Mux(s.first, 0, self.o << 1)", "self.o << 1"),
    "denormal scale's exponent": ("scaler", "Mux(denormal, 1, factor.exponent)", "factor.exponent"),
    "denormal scale's hidden bit": ("scaler", "~denormal, Const(0, 1)", "Const(1, 1), Const(0, 1)"),
    "scale's sign": ("scaler", "Mux(factor.sign, -magnitude, magnitude)", "magnitude"),
    "carry between product halves": ("scaler", "s.high + (s.low >> HALF)", "s.high"),
    "offset without affine": ("scaler", "Mux(self.affine, self.offset, 0)", "self.offset"),
    "sums not restarted": ("accumulator", "Mux(s.fresh, 0, read.data)", "read.data"),
    "only context 0 sent": ("accumulator", "word.eq(words[c + 1])", "word.eq(word)"),
    "result stride ignored": ("accumulator", "self.write.addr + self.stride", "self.write.addr + 1"),
    "partial sums written": ("accumulator", "summed & (group == 1) &", "summed &"),
    "idle before the last write": ("accumulator", "final & (left == 1)", "final & (left != 0)"),
    "scales run on into the group": ("scales", "self.ends | (unit ==", "(unit =="),
    "scales always of the lower half": ("scales", "Mux(upper, pairs[width // 2:], pairs[:width // 2])", "pairs"),
    "scales read as pairs": ("scales", "Mux(narrow, singles.word_select(row, FACTOR), pair[:FACTOR])", "pair[:FACTOR]"),
    "next group's exponent": ("serializer", "Mux(group_out, exponent1,", "Mux(~group_in, exponent1,"),
    "a unit's first row repeated": ("serializer", "dots.eq(dots >> DOT.width)", "dots.eq(dots)"),
    "scales not awaited": ("issue", " & (~self.last | self.scaled)", ""),
    "activations not awaited": ("issue", "(~first_step | self.aligned) & (~self.last", "(~self.last"),
    "units overtake the serializer": ("issue", "(gap == 0)", "(gap == gap)"),
    "sum read before it is written": ("issue", "(age == self._interval)", "(age == age)"),
    "cycles lost between units": ("issue", "gap.eq(self.spread - 1)", "gap.eq(self.bits)"),
    "plane word kept": ("issue", "allowed & part[-1]", "allowed & part[0]"),
    "never signed": ("engine", "lane.signed.eq(command.signed)", "lane.signed.eq(0)"),
    "empty command runs": ("engine", "(fields.rows != 0) & (fields.groups != 0)", "fields.rows != 0"),
}
CHECKS = {
    "aligner": lambda engine: checks.check_aligner(engine.Aligner, contexts=3, groups=8, seed=1),
    "lane": lambda engine: checks.check_lane(engine.Lane, seed=1),
    "scaler": lambda engine: checks.check_scaler(engine.Scaler, seed=1),
}
"""Short checks of single modules, which come before those of the engine."""

ALIGNER_PARTS = ("element", "exponent")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", MUTATIONS)
def test_mutation_is_caught(name):
    module, old, new = MUTATIONS[name]
    users = ["aligner"] * (module in ALIGNER_PARTS) + ["engine"] * (module != "engine")
    engine = mutate(f"dojang_hdl.engine.{module}", old, new, [f"dojang_hdl.engine.{user}" for user in users])
    with pytest.raises(AssertionError):
        for part in {module, *users} & CHECKS.keys():
            CHECKS[part](engine)
        checks.check_engine(engine.Engine, lanes=2, contexts=2, cases=8, seed=3)
        checks.check_throughput(engine.Engine, lanes=2)
        checks.check_revisits(engine.Engine, lanes=2)
