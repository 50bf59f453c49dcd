"""Each of these broken aligners must be caught by the checks that the real one passes."""

import numpy as np
import pytest
from dojang_sim.benches import group_aligner as checks
from dojang_sim.benches.mutation import mutate

MUTATIONS = {
    "element subtracted for added": ("rotation", "~before, after", "before, after"),
    "halves of a period confused": ("rotation", "second = (index & delay)", "second = (~index & delay)"),
    "inverted words added without carry": ("rotation", "self.rotated & index[delay.bit_length():].xor()", "Const(0)"),
    "carry of another stage": ("rotation", "index[delay.bit_length():].xor()", "index.xor()"),
    "transformed without being asked": ("rotation", "Mux(self.rotated, Mux(second, ~before, after), 0)",
                                        "Mux(second, ~before, after)"),
    "lanes transformed without being asked": ("rotation", "eq(Mux(self.rotated, each, off))", "eq(each)"),
    "lanes subtracted without borrow": ("rotation", "other, ~carry)", "other, Const(0))"),
    "left inverted": ("rotation", "word ^ inverted.replicate(len(word)).as_signed()", "word"),
    "words inverted, lanes not": ("rotation", "index.xor() ^ _odd(lane))", "index.xor())"),
    "truncation": ("rounding", "guard & (q[0] | sticky) | smallest", "smallest"),
    "ties up": ("rounding", "guard & (q[0] | sticky)", "guard"),
    "lowest bit not sticky": ("rounding", "shifted[:MOST - 1].any()", "shifted[1:MOST - 1].any()"),
    "rounded up beyond the largest": ("rounding", " & ~largest", ""),
    "smallest number kept": ("rounding", " | smallest", ""),
    "bits that do not fit lost": ("rounding", "upper[:MOST] | lower[rest:]", "upper[:MOST]"),
    "exponents of blocks": ("exponent", "last_word(word, self.blocks) if", "last_word(word, self.blocks & 0) if"),
    "groups of 32 for 64": ("exponent", "word[3] | (blocks == 0)", "word[3] | ~word[3]"),
    "groups of 64 for 128": ("exponent", "word[4] | ~blocks[1]", "word[4] | ~word[4]"),
    "words counted on": ("exponent", "Mux(last, 0, word + 1) if self._grouped else", ""),
    "second pass without end": ("converter", "more.eq(~last)", "more.eq(1)"),
    "group's words misnumbered": ("converter", "Mux(last, 0, word + 1)", "word + 1"),
    "factor 1/8 forgotten": ("group_aligner", "BIAS + FRACTION + TURN_EXPONENT", "BIAS + FRACTION"),
    "exponent without shift": ("group_aligner", "s.exponent + s.shift", "s.exponent"),
    "shift too small": ("group_aligner", "Mux(seen[bit], bit + 1, shift)", "Mux(seen[bit], bit, shift)"),
    "largest of the last word": ("group_aligner", "& ~fresh.replicate(len(so_far)) | s.large", "& 0 | s.large"),
    "largest of the group before": ("group_aligner", "& ~fresh.replicate(len(so_far)) | s.large", "| s.large"),
    "negative numbers always large": ("group_aligner", "r[Q_BITS - 1:-1] ^ r[-1].replicate(R_BITS - Q_BITS)",
                                      "r[Q_BITS - 1:-1]"),
    "no end to reading ahead": ("group_aligner", "(left != 0) & (free != 0)", "(left != 0)"),
    "room for a group too much": ("group_aligner", "free.eq(Const(AHEAD) >> self.blocks)",
                                  "free.eq((Const(AHEAD) >> self.blocks) + 1)"),
    "room given back for every block": ("group_aligner", "freed.eq(begin & last_block & last_term)", "freed.eq(begin)"),
    "room given back for every term": ("group_aligner", "freed.eq(begin & last_block & last_term)",
                                       "freed.eq(begin & last_block)"),
    "one group a command": ("group_aligner", "begin & last_block & last_term)", "0)"),
    "group delivered before it is complete": ("group_aligner", "stored.eq(pipe.valid & s.group)",
                                              "stored.eq(pipe.valid)"),
    "activation stride ignored": ("group_aligner", "following.eq(base + self.stride)", "following.eq(base + size)"),
    "groups of a block apart": ("group_aligner", "base.eq(base + size)", "base.eq(base + WORDS)"),
    "blocks numbered on": ("group_aligner", "m.d.sync += block.eq(0)", "pass"),
    "terms not counted": ("group_aligner", "Mux(last_term, 0, term + 1)", "term"),
    "next group for every term": ("group_aligner", "self._advance(m, block, last_block & last_term)",
                                  "self._advance(m, block, last_block)"),
    "factors of the block, not of the group": ("group_aligner", "block[:2] | self._others", "block[:2]"),
    "sum of one block": ("group_aligner", "first=first_block & (word == 0)", "first=word == 0"),
    "sum not restarted": ("group_aligner", "Mux(s.first, 0, running.data)", "running.data"),
    "sum and exponent not kept": ("group_aligner", "m.If(pipe.valid & s.group &", "m.If(pipe.valid & s.last &"),
    "sums of contexts mixed": ("group_aligner", "update.addr.eq(s.context)", "update.addr.eq(0)"),
    "block replaced while in use": ("group_aligner", "m.If(self.take & (self.contexts >= c))", "m.If(pipe.valid)"),
    "infinities kept secret": ("group_aligner", "self.nonfinite.eq(converter.nonfinite)", "self.nonfinite.eq(0)"),
}
USERS = {"rotation": (), "rounding": (), "exponent": ("converter",), "converter": (), "group_aligner": ()}


def check(engine) -> None:
    rng = np.random.default_rng(1)
    checks.check_group_aligner(engine.GroupAligner, 2, [
        checks.random_run(rng, 2, 3, 0, False), checks.random_run(rng, 1, 4, 2, True, terms=2),
        checks.random_run(rng, 2, 3, 1, True), checks.random_run(rng, 2, 2, 2, False)], seed=1)
    checks.check_group_aligner(engine.GroupAligner, 2, [
        checks.random_run(rng, 2, 30, 0, False, longest_pause=200),
        checks.random_run(rng, 1, 9, 2, True, terms=2, longest_pause=200)], seed=2)


CHECKS = {"rotation": lambda module: checks.check_rotation(module.Rotation, seed=1),
          "rounding": lambda module: checks.check_rounding(module.Rounding, seed=1)}
"""Short checks of single modules, which come before those of the whole."""


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", MUTATIONS)
def test_mutation_is_caught(name):
    module, old, new = MUTATIONS[name]
    short = CHECKS.get(module)
    users = [*USERS[module], "group_aligner"] if short is None and module != "group_aligner" else []
    broken = mutate(f"dojang_hdl.engine.{module}", old, new, [f"dojang_hdl.engine.{user}" for user in users])
    with pytest.raises(AssertionError):
        (short or check)(broken)
