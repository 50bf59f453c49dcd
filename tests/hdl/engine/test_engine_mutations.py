"""Each of these broken engines must be caught by the checks that the real one passes."""

import pytest
from amaranth.lib import wiring
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
    "next group's exponent": ("serializer", "Mux(group_out, groups[1],", "Mux(~group_in, groups[1],"),
    "a unit's first row repeated": ("serializer", "dots.eq(dots >> DOT.width)", "dots.eq(dots)"),
    "scales not awaited": ("issue", " & (~self.last | self.scaled)", ""),
    "activations not awaited": ("issue", "(~first_step | self.aligned) & (~self.last", "(~self.last"),
    "units overtake the serializer": ("issue", "(gap == 0)", "(gap == gap)"),
    "sum read before it is written": ("issue", "(age == self._interval)", "(age == age)"),
    "cycles lost between units": ("issue", "self._lanes) - 1)", "self.bits) - 1)"),
    "plane word kept": ("splitter", "self.o.ready & part[-1]", "self.o.ready & part[0]"),
    "never signed": ("engine", "lane.signed.eq(command.signed)", "lane.signed.eq(0)"),
    "empty command runs": ("engine", "(fields.rows != 0) & (fields.groups != 0)", "fields.rows != 0"),
}
CODED = {
    "every pass a product": ("group_walk", "self.completes.eq(following == 0)", "self.completes.eq(1)"),
    "sums never restarted": ("group_walk", "self.fresh.eq(self.completes)", "self.fresh.eq(0)"),
    "one term": ("group_walk", "self.groups * (self.terms + 1)", "self.groups"),
    "blocks of a group not counted": ("group_walk", "(self.products << self.blocks)[:16]", "self.products"),
    "only the last block": ("group_sum", "Mux(read.fresh, 0, ", "Mux(1, 0, "),
    "units summed together": ("group_sum", "Mux(unit == last, 0, unit + 1)", "0"),
    "units shifted from block to block": ("group_sum", "Mux(unit == last, 0, unit + 1)", "unit + 1"),
    "sums of contexts not in use": ("group_sum", "self.ahead & active", "self.ahead & ~active"),
    "unfinished sums leave": ("group_sum", "pipe.valid & done.completes", "pipe.valid"),
    "scales of rows run on": ("row_scales", "Mux(self.final, 0, unit + 1)", "unit + 1"),
    "scales start again without rows": ("row_scales", "self.final & (self.mode == ScaleMode.ROW)", "self.final"),
    "scales of rows overwritten": ("row_scales", "pipe.valid & ~s.kept", "pipe.valid"),
    "last unit's scales of rows lost": ("row_scales", "kept=kept, ", "kept=kept | self.final, "),
    "scales of rows kept for the next command": ("row_scales", "[kept.eq(0), ", "["),
    "zero times half the total": ("zero", "(s.high << HALF) + s.low", "s.low"),
    "total's sign lost": ("zero", "group.total[HALF:].as_signed()", "group.total[HALF:]"),
    "never doubled": ("zero", "Mux(self.double, self.dot << 1, self.dot)", "self.dot"),
    "zero ignored": ("zero", "doubled + self.shift", "doubled"),
    "zero's product of the group before": ("coded_parts", "take.eq(zero.o_valid)", "take.eq(take)"),
    "scales of a product's last unit missed": ("coded_parts", "reader.final.eq(queue.final)", "reader.final.eq(0)"),
    "never rotated": ("coded_parts", "rotated.eq(command.rotated)", "rotated.eq(0)"),
    "every block a group": ("engine", "issue.step & issue.begins & parts.completes", "issue.step & issue.begins"),
    "room not awaited": ("queued_issue", "(~last | self.room | ~self.completes)", "(~last | 1)"),
    "place for factors not awaited": ("queued_issue", "~begins | self.place | ~self.completes", "1"),
    "coded: scales not awaited": ("sum_queue", "leaves & self.factors)", "leaves)"),
    "coded: activations not awaited": ("queued_issue", "due & aligned & there)", "due & there)"),
    "coded: planes not awaited": ("queued_issue", "due & aligned & there)", "due & aligned)"),
    "a block for two passes": ("queued_issue", " & ~began", ""),
    "a plane twice": ("queued_issue", "kept.eq(there & ~go)", "kept.eq(there)"),
    "the following pass's sum begins": ("coded_parts", "fresh=issue.step_fresh", "fresh=walk.fresh"),
    "room counted twice": ("sum_queue", "free + 1 - self.reserve", "free + 2 - self.reserve"),
    "room of units reserved since": ("sum_queue", "free > 2", "free > 0"),
    "a product too many": ("sum_queue", "groups != GROUPS", "groups != GROUPS + 1"),
    "a product at a time": ("sum_queue", "groups != GROUPS", "groups == 0"),
    "a product's end not seen": ("sum_queue", "self.final.eq(unit == last)", "self.final.eq(0)"),
    "a row again while its sum is made": ("sum_queue", "range(4, self._turnaround, 4)", "range(0)"),
    "units leave too close": ("sum_queue", "pause.eq(self._lanes - 1)", "pause.eq(self._lanes - 2)"),
    "units leave too far apart": ("sum_queue", "pause.eq(self._lanes - 1)", "pause.eq(self._lanes)"),
    "the same sums again": ("sum_queue", "oldest.eq(oldest + 1)", "oldest.eq(oldest)"),
    "queued sums of contexts not in use": ("sum_queue", "self.i_valid & active", "self.i_valid & ~active"),
}
"""Of engines for coded weights."""

MANY = {
    "results of many contexts too close": ("engine", "(command.contexts >> units) + 1", "config.lanes"),
    "all results as far apart as written ones": ("issue", "Mux(last_pass, self.spread, self._lanes)", "self.spread"),
    "results of the last pass alone too close": ("issue", "passes == Mux", "passes + 1 == Mux"),
    "contexts of three bits": ("accumulator", '"contexts": In(CONTEXT_BITS)', '"contexts": In(3)'),
}
"""Noticed where there are more contexts than rows in a word."""

CHECKS = {
    "aligner": lambda module: checks.check_aligner(module.Aligner, contexts=3, groups=8, seed=1),
    "lane": lambda module: checks.check_lane(module.Lane, seed=1),
    "scaler": lambda module: checks.check_scaler(module.Scaler, seed=1),
}
"""Short checks of single modules, which come before those of the engine."""

USERS = {
    "element": ["aligner", "plain_parts"], "exponent": ["aligner", "plain_parts"],
    **{module: ["plain_parts"] for module in ("aligner", "scaler", "scales", "splitter")},
    **{module: ["coded_parts"]
       for module in ("group_walk", "group_sum", "queued_issue", "row_scales", "sum_queue", "zero")},
}
"""Modules between a part and the engine."""


def _mutated(name: str, users: list[str]):
    module, old, new = (MUTATIONS | CODED | MANY)[name]
    return mutate(f"dojang_hdl.engine.{module}", old, new, [f"dojang_hdl.engine.{user}" for user in users])


def _engine(name: str):
    module = (MUTATIONS | CODED | MANY)[name][0]
    return _mutated(name, [*USERS.get(module, []), *["engine"] * (module != "engine")]).Engine


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", MUTATIONS | CODED | MANY)
def test_mutation_applies(name):
    """To the engine of today; whether it is caught takes seconds each."""
    assert issubclass(_engine(name), wiring.Component)


@pytest.mark.slow  # minutes for all
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", MUTATIONS)
def test_mutation_is_caught(name):
    module, engine = MUTATIONS[name][0], _engine(name)
    with pytest.raises(AssertionError):
        if module in CHECKS:
            CHECKS[module](_mutated(name, []))
        elif "aligner" in USERS.get(module, []):
            CHECKS["aligner"](_mutated(name, ["aligner"]))
        checks.check_engine(engine, lanes=2, contexts=2, cases=8, seed=3)
        checks.check_throughput(engine, lanes=2)
        checks.check_revisits(engine, lanes=2)


@pytest.mark.slow  # as above
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CODED)
def test_mutation_of_a_coded_engine_is_caught(name):
    engine = _engine(name)
    with pytest.raises(AssertionError):
        checks.check_coded_engine(engine, lanes=2, contexts=2, seed=1)
        checks.check_coded_throughput(engine, lanes=4)
        checks.check_coded_engine(engine, lanes=4, contexts=1, seed=1)
        checks.check_late_scales(engine, lanes=4)


@pytest.mark.slow  # as above
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", MANY)
def test_mutation_of_many_contexts_is_caught(name):
    with pytest.raises(AssertionError):
        checks.check_many_contexts(_engine(name), contexts=9)
