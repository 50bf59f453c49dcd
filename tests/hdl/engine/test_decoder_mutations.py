"""Each of these broken window decoders must be caught by the checks that the real one passes."""

import pytest
from dojang_hdl.window_code import CODES
from dojang_sim.benches import decoder as checks
from dojang_sim.benches.mutation import mutate

LANES = 4
MUTATIONS = {
    "plain words taken after the last": ("row_sequencer", "self.plain.eq(0)", "self.plain.eq(1)"),
    "plain words not counted": ("row_sequencer", "words.eq(Mux(word_end, self.bits, words - 1))",
                                "words.eq(self.bits)"),
    "rows after the last": ("row_sequencer", "fifth_left | block_end & last_block)", "fifth_left)"),
    "first plain rows of every other block": ("row_sequencer", "Mux(word_end, self.bits, words - 1)", "words - 1"),
    "rows without the word they need": ("row_sequencer", "(~self.direct | self.valid)", "1"),
    "rows without their masks": ("row_sequencer", "mask_left, fifth_left = mask_next & ~early",
                                  "mask_left, fifth_left = Const(0)"),
    "rows without fifth bits": ("row_sequencer", "fifth_next & ~(early & ~mask_next)\n", "Const(0)\n"),
    "masks for warm-up parts": ("row_sequencer", "warm_up_end | quad_end & ~last_quad", "warm_up_end | quad_end"),
    "warm-up parts give weights": ("row_sequencer", "self.weights.eq(~warm_up)", "self.weights.eq(1)"),
    "one warm-up part a command": ("row_sequencer", "Mux(warm_up, ~warm_up_end, block_end)", "warm_up & ~warm_up_end"),
    "fifth bits after the last block": ("row_sequencer", "Mux(last_quad, ~last_block, self.phase[2])",
                                            "Mux(last_quad, 1, self.phase[2])"),
    "no fifth bits for the second run": ("row_sequencer", "Mux(last_quad, ~last_block, self.phase[2])",
                                             "(last_quad & ~last_block)"),
    "one word fetched for two": ("row_sequencer", "fetch.eq(no_mask & no_fifth), go.eq(~(no_mask & no_fifth))",
                                     "fetch.eq(0), go.eq(1)"),
    "a block's rows count on": ("row_sequencer", "Mux(warm_up_end | block_end, 0, self.phase", "(self.phase"),
    "masks never beside a row": ("row_sequencer", "(self.direct | mask_next | fifth_next)", "self.direct"),
    "rows of the block before": ("row_sequencer", "quads.eq(self.rows[2:]), last_quad.eq(self.rows[2:] == 1),\n"
                                     "                             blocks", "quads.eq(1), last_quad.eq(1), blocks"),
    "units of two rows": ("row_sequencer", "QUAD - self._lanes", "2"),
    "second row of X2 as the first": ("gearbox", "quarters[2 + bit]", "quarters[bit]"),
    "kept bits out of order": ("gearbox", "Cat(*fourth[1:], quarters[3])", "Cat(quarters[3], *fourth[:-1])"),
    "kept bits of the code before": ("gearbox", "m.If(~self.active_code[Code.X3])", "m.If(0)"),
    "mask of the command before": ("gearbox", "m.If(~self.masked)", "m.If(0)"),
    "masks a row late": ("gearbox", "self.phase[:2] == q for", "self.phase[:2] == (q + 1) % 4 for"),
    "fifth bits of the first step": ("gearbox", "self.phase == 2 * q for", "self.phase[0] == 0 for"),
    "windows of the code before": ("row_decoder", "idle = ~self.active_code[code]", "idle = Const(0)"),
    "both windows of X2.5 at once": ("row_decoder", "idle | self.row & self.odd if second else idle", "idle"),
    "fifth bit lost": ("row_decoder", "self.fifth, *first[FIFTH + 1:]", "*first[FIFTH:]"),
    "window moves without a row": ("row_decoder", "m.Elif(self.row)", "m.Elif(self.advance)"),
    "shared taps lost": ("row_decoder", "taps[name] += [window[tap] for tap in places]",
                         "taps[name] += [window[tap] for tap in places[:2]]"),
    "carry of the ones lost": ("row_decoder", '"bit2_1"), carry)', '"bit2_1"), Const(0, BLOCK))'),
    "second four of X4 lost": ("row_decoder", "carry2 | four1", "carry2"),
    "carry of the twos lost": ("row_decoder", "_add(four0, carry, carry2", "_add(four0, Const(0, BLOCK), carry2"),
    "eight of X4 lost": ("row_decoder", "_add(carry, carry2 | late, bit)",
                         "_add(carry, carry2 | late, Const(0, BLOCK))"),
    "highest plane of X4 not inverted": ("row_decoder", "append(inverted[16])", "append(Const(0, BLOCK))"),
    "highest plane always inverted": ("row_decoder", "self.masked & Cat(*codes).any()", "Cat(*codes).any()"),
    "plane not masked": ("row_decoder", '"plane2": total & mask', '"plane2": total'),
    "pipeline moves while a unit waits": ("unit_buffer", "self.advance.eq(~(blocked", "self.advance.eq(~(0"),
    "a cycle lost between units": ("unit_buffer", "blocked.eq(ends_next & pending_next & ~last_next)",
                                  "blocked.eq(ends_next & pending_next)"),
    "plane of the mask left out": ("unit_buffer", "Mux(self.masked, slot[-2], slot[-3])", "slot[-3]"),
    "plane of the mask always": ("unit_buffer", "Mux(self.masked, slot[-2], slot[-3])", "slot[-2]"),
    "planes too many": ("unit_buffer", "slot.eq(Cat(*begin))", "slot.eq(1)"),
    "lanes reversed": ("unit_buffer", "for word in rows))", "for word in reversed(rows)))"),
    "plane stays": ("unit_buffer", "Mux(slot[k], unit[k], 0)", "unit[k]"),
    "unit overwritten while its last plane waits": ("unit_buffer", "tight.eq(ends_next & last_next)", "tight.eq(0)"),
    "plane overwritten": ("unit_buffer", "moves.eq(~self.o.valid | self.o.ready)", "moves.eq(1)"),
    "pairs one row further": ("row_sequencer", "Mux(self.pair, 2, 1)", "1"),
    "pairs of masked rows": ("row_sequencer", "(self.code == Code.X2) & ~self.masked", "(self.code == Code.X2)"),
    "warm-up part of pairs too long": ("row_sequencer", "CODES[Code.X2].lead - 4", "CODES[Code.X2].lead - 2"),
    "a block of pairs too long": ("row_sequencer", "Mux(self.pair, 0, QUAD - 2)", "QUAD - 2"),
    "units of pairs never complete": ("row_sequencer", "Cat(self.pair, Const(0, 1))", "Const(0, 2)"),
    "single rows of X2 beside pairs": ("row_sequencer", "& ~(pairs if code == Code.X2 else Const(0))", ""),
    "second row of a pair first": ("row_decoder", "pair[2:], pair[:-2]", "pair[:-2], pair[2:]"),
    "pairs after their command": ("row_decoder", "m.If(~self.pair)", "m.If(0)"),
    "symbols of a pair in the wrong order": ("row_decoder", "(2, 3, 0, 1)", "(0, 1, 2, 3)"),
    "a one of the second row lost": ("row_decoder", "carry2 | late", "carry2"),
    "the second row's one in the first row": ("row_decoder", '("bit4_0", "bit4_1")', '("bit4_0",)'),
    "carry of the second row's twos lost": ("row_decoder", "else total, carry)", "else total, total)"),
    "rows of a pair swapped": ("unit_buffer", "(earlier[-1].word_select(at, BLOCK), before.word_select(place, BLOCK),",
                               "(before.word_select(place, BLOCK), earlier[-1].word_select(at, BLOCK),"),
    "second pair for the first": ("unit_buffer", "before.word_select(place", "self.second.word_select(place"),
    "cycle lost after pairs": ("unit_buffer", " | turn[-2], last)", ", last)"),
    "first plane of pairs again": ("unit_buffer", "turn.eq(turn << 1)", "turn.eq(turn)"),
    "pairs' planes of single rows": ("unit_buffer", "turn.eq(self.pair)", "turn.eq(1)"),
    "plain words while rows are decoded": ("decoder", "self.i.valid & sequencer.plain)", "self.i.valid)"),
    "ready of the planes passed on": ("decoder", "sequencer.advance.eq(units.advance)",
                                      "sequencer.advance.eq(units.advance & self.o.ready)"),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", MUTATIONS)
def test_mutation_is_caught(name):
    module, old, new = MUTATIONS[name]
    users = ["dojang_hdl.engine.decoder"] * (module != "decoder")
    decoder = mutate(f"dojang_hdl.engine.{module}", old, new, users)

    def make():
        return decoder.WindowDecoder(LANES)

    with pytest.raises(AssertionError):
        checks.check_codes(make, LANES, CODES, (0.2, 0.2), seed=1)
        checks.check_rate(make, LANES, CODES)
        checks.check_ready(make, LANES, CODES)


@pytest.mark.filterwarnings("ignore")
def test_a_word_cut_from_the_top_is_caught():
    decoder = mutate("dojang_hdl.engine.splitter", "part.rotate_left(1)", "part.rotate_right(1)",
                     ["dojang_hdl.engine.decoder"])
    with pytest.raises(AssertionError):
        checks.check_codes(lambda: decoder.WindowDecoder(1), 1, CODES, (0, 0), seed=1)
