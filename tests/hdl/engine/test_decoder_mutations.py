"""Each of these broken window decoders must be caught by the checks that the real one passes."""

import pytest
from dojang_hdl.window_code import CODES
from dojang_sim.benches import decoder as checks
from dojang_sim.benches.mutation import mutate

LANES = 4
MUTATIONS = {
    "plain words taken after the last": ("row_sequencer", "plain.eq(0)", "plain.eq(1)"),
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
    "rows of the block before": ("row_sequencer", "Mux(block_went, of_block, quads - 1)", "quads - 1"),
    "four rows that have just gone": ("row_sequencer", "Mux(quad_went, Mux(block_went, of_block == 2, quads == 3), ",
                                      "Mux(0, 0, "),
    "blocks of eight rows": ("row_sequencer", "Mux(block_went, of_block == 2, quads == 3)", "(quads == 3)"),
    "blocks of four rows": ("row_sequencer", "Mux(last_quad, of_block == 1, before_last)", "before_last"),
    "a block that has just gone": ("row_sequencer", "Mux(block_went, blocks == 3, blocks == 2)", "(blocks == 2)"),
    "units of one row": ("row_sequencer", "QUAD - self._lanes", "3"),
    "second row of X2 as the first": ("gearbox", "quarters[2 + bit]", "quarters[bit]"),
    "kept bits out of order": ("gearbox", "Cat(*fourth[1:], quarters[3])", "Cat(quarters[3], *fourth[:-1])"),
    "kept bits of the code before": ("gearbox", "m.If(~self.active_code[Code.X3])", "m.If(0)"),
    "mask of the command before": ("gearbox", "m.If(~(self.masked | self.active_code[Code.PLAIN]))", "m.If(0)"),
    "plain words not kept": ("gearbox", "m.If(~(self.masked | self.active_code[Code.PLAIN]))", "m.If(~self.masked)"),
    "fifth bits of the first step": ("gearbox", "self.phase == 2 * q for", "self.phase[0] == 0 for"),
    "windows of the code before": ("row_decoder", "idle = ~self.active_code[code]", "idle = Const(0)"),
    "both windows of X2.5 at once": ("row_decoder", "idle | self.row & self.odd if second else idle", "idle"),
    "fifth bit lost": ("row_decoder", "self.fifth, *first[FIFTH + 1:]", "*first[FIFTH:]"),
    "window moves without a row": ("row_decoder", "m.Elif(self.row)", "m.Elif(1)"),
    "shared taps lost": ("row_decoder", "[window[tap] for tap in places])", "[window[tap] for tap in places[:2]])"),
    "carry of the ones lost": ("row_decoder", '"bit2_1"), carry)', '"bit2_1"), Const(0, BLOCK))'),
    "second four of X4 lost": ("row_decoder", "carry2b | four1", "carry2b"),
    "carry of the twos lost": ("row_decoder", "_add(four0, carry2,", "_add(four0, Const(0, BLOCK),"),
    "eight of X4 lost": ("row_decoder", "_add(carry4, carry4b | late, bit)",
                         "_add(carry4, carry4b | late, Const(0, BLOCK))"),
    "highest plane of X4 not inverted": ("row_decoder", "(\"bit16_0\", 16)", "(\"bit16_0\", 32)"),
    "highest plane always inverted": ("row_decoder", "self.masked & Cat(*codes).any()", "Cat(*codes).any()"),
    "highest plane of a pair's first row not inverted": ("row_decoder", "total ^ inverted,", "total,"),
    "highest plane of a pair's second row not inverted": ("row_decoder", "carry ^ flag", "carry"),
    "planes not masked": ("unit_buffer", "reduce(or_, leaving) & leaving_mask", "reduce(or_, leaving)"),
    "masks of the next unit": ("unit_buffer", "range(RowDecoder.latency)", "range(RowDecoder.latency - 1)"),
    "mask of the unit that is collected": ("unit_buffer", "leaving_mask.eq(mask)", "leaving_mask.eq(delayed[-1])"),
    "plane of the mask is the last one again": ("unit_buffer", "m.If(is_plain | self.masked & slot[-2])",
                                                "m.If(is_plain)"),
    "plain planes through the last row": ("unit_buffer", "m.If(is_plain | self.masked & slot[-2])",
                                          "m.If(self.masked & slot[-2])"),
    "plane of the mask always": ("unit_buffer", "slot[-2] & self.masked", "slot[-2]"),
    "plane of the mask left out": ("unit_buffer", "slot[-2] & self.masked", "Const(0, 1)"),
    "planes too many": ("unit_buffer", "slot.eq(Cat(*begin, is_plain))", "slot.eq(1)"),
    "lanes reversed": ("unit_buffer", "row[k] for row in rows)", "row[k] for row in reversed(rows))"),
    "plane stays": ("unit_buffer", "Mux(leaves[k], unit[k], 0)", "unit[k]"),
    "pairs one row further": ("row_sequencer", "Mux(self.pair, 2, 1)", "1"),
    "plain units while no word is there": ("row_sequencer", "go.eq(free & self.valid | parts_left)", "go.eq(1)"),
    "plain units with weights": ("row_sequencer", "warm_up.eq(1)", "warm_up.eq(self.code != Code.PLAIN)"),
    "warm-up part of pairs too long": ("row_sequencer", "CODES[Code.X2].lead - 4", "CODES[Code.X2].lead - 2"),
    "a block of pairs too long": ("row_sequencer", "Mux(self.pair, 0, QUAD - 2)", "QUAD - 2"),
    "words of pairs as those of single rows": ("row_sequencer", "~((single[Code.X2] | is_code[Code.X2_5])",
                                               "~((is_code[Code.X2] | is_code[Code.X2_5])"),
    "second row of a pair first": ("row_decoder", "pair[2:], pair[:-2]", "pair[:-2], pair[2:]"),
    "pairs after their command": ("row_decoder", "m.If(~self.pair)", "m.If(0)"),
    "symbols of a pair in the wrong order": ("row_decoder", "(2, 3, 0, 1)", "(0, 1, 2, 3)"),
    "a one of the second row lost": ("row_decoder", "carry4b | late", "carry4b"),
    "the second row's one in the first row": ("row_decoder", '("bit4_0", "bit4_1")', '("bit4_0",)'),
    "carry of the second row's twos lost": ("row_decoder", "total, carry ^ flag)", "total, total ^ flag)"),
    "second row of a pair in place of the first": ("unit_buffer", "odd if lane % 2 else row", "odd"),
    "first row of a pair in place of the second": ("unit_buffer", "Mux(pair, two, one)", "one"),
    "second rows of single ones": ("unit_buffer", "Mux(pair, two, one)", "two"),
    "second row of a pair not kept": ("unit_buffer", "pair & turn[lane - 1]", "pair & turn[lane - 2]"),
    "second pair for the first": ("unit_buffer", "Mux(pair, turn.rotate_left(2), turn.rotate_left(1))",
                                  "turn.rotate_left(1)"),
    "turns without rows": ("unit_buffer", "m.If(self.i_valid)", "m.If(1)"),
    "units too close": ("row_sequencer", "self.room & ~wait[0]", "self.room"),
    "a cycle lost between units": ("row_sequencer", "self.planes > k + 1", "self.planes > k"),
    "plane of the mask not counted": ("row_sequencer", "of_code + self.masked", "of_code"),
    "places not awaited": ("row_sequencer", "self.room & ~wait[0]", "~wait[0]"),
    "a unit for fewer places than it has planes": ("plane_queue", "free >= MARGIN", "free >= 2"),
    "places not taken": ("plane_queue", "(self.planes & ", "(0 & "),
    "places never given back": ("plane_queue", "free.eq(free + fetch - ", "free.eq(free - "),
    "planes before they are there": ("plane_queue", "(stored != 0) & ", ""),
    "plane that waits overwritten": ("plane_queue", "(~self.o.valid | self.o.ready)", "1"),
    "plane that waits lost": ("plane_queue", "fetch | self.o.valid & ~self.o.ready", "fetch"),
    "ready of the planes passed on": ("decoder", "sequencer.room.eq(queue.room)",
                                      "sequencer.room.eq(queue.room & self.o.ready)"),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", MUTATIONS)
def test_mutation_is_caught(name):
    module, old, new = MUTATIONS[name]
    users = ["dojang_hdl.engine.decoder"] * (module != "decoder")
    decoder = mutate(f"dojang_hdl.engine.{module}", old, new, users)

    def make(lanes=LANES):
        return decoder.WindowDecoder(lanes)

    with pytest.raises(AssertionError):
        checks.check_codes(make, LANES, CODES, (0.2, 0.2), seed=1)
        checks.check_rate(make, LANES, CODES)
        checks.check_ready(make, LANES, CODES)
        checks.check_full(make, LANES)
        checks.check_codes(lambda: make(2), 2, CODES, (0.2, 0.2), seed=1)   # single rows of X2


@pytest.mark.filterwarnings("ignore")
def test_a_word_cut_from_the_top_is_caught():
    decoder = mutate("dojang_hdl.engine.gearbox", "self.phase[:2] // self._lanes",
                     "(3 - self.phase[:2]) // self._lanes", ["dojang_hdl.engine.decoder"])
    with pytest.raises(AssertionError):
        checks.check_codes(lambda: decoder.WindowDecoder(1), 1, CODES, (0, 0), seed=1)


@pytest.mark.parametrize(("old", "new"), [
    ("held.add(name)", "pass"), ("if best <= held", "if best & held"),
    ("common | sums).items()", "sums | common).items()"), ("*nodes[count:]]", "*nodes[count + 1:]]"),
])
def test_broken_parities_are_caught(old, new):
    with pytest.raises((AssertionError, KeyError, IndexError)):
        checks.check_parities(mutate("dojang_hdl.engine.parity", old, new).parities)
