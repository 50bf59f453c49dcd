"""Pieces of commands against a splitter in plain Python."""

import random

import pytest
from dojang_hdl.lpddr4.splitter import Splitter
from dojang_sim.benches.mutation import mutate
from dojang_sim.benches.streams import receive, run, send

ROWS = 4
WORDS = ROWS * 8 * 128

MUTATIONS = {
    "a word too many in a row": ("PAGE_WORDS - addr[:WORD_ADDRESS]", "PAGE_WORDS + 1 - addr[:WORD_ADDRESS]"),
    "a whole row at once": ("piece.words.eq(Mux(ends, left, room))", "piece.words.eq(Mux(ends, left, PAGE_WORDS))"),
    "address not moved on": ("addr[WORD_ADDRESS:].eq(addr[WORD_ADDRESS:] + 1),", ""),
    "no wrap": ("range(self._rows * self._banks * PAGE_WORDS)",
                "range(2 * self._rows * self._banks * PAGE_WORDS)"),
    "piece overwritten": ("(left != 0) & (~self.o.valid | self.o.ready)", "left != 0"),
    "command taken too early": ("(left == 0) | step & ends", "(left == 0) | step"),
    "direction lost": ("piece.write.eq(write)", "piece.write.eq(self.i.payload.write)"),
    "half the rate": ("(left == 0) | step & ends", "left == 0"),
}


def pieces(write, addr, length):
    """(write, row, bank, word, words) of each row that the command touches."""
    found = {}
    for address in range(addr, addr + length):
        row, bank = address % WORDS // 1024, address // 128 % 8
        found.setdefault((row, bank), []).append(address % 128)
    return [(write, row, bank, words[0], len(words)) for (row, bank), words in found.items()]


def commands(rng, count):
    """All kinds of ends; at the end of the memory too, and with address bits beyond it."""
    special = [(WORDS - 3, 256), (WORDS - 1, 1), (WORDS - 128, 256), (0, 256), (127, 2), (128, 128), (1, 128), (5, 0),
               (0, 0)]
    return [(rng.randrange(2), addr, length) for addr, length in special] + [
        (rng.randrange(2), rng.randrange(1 << 32), rng.choice((0, 1, 2, 127, 128, 129, 255, 256, rng.randrange(257))))
        for _ in range(count)]


def check(splitter=Splitter, stalls=(0.3, 0.4)):
    dut, rng = splitter(ROWS), random.Random(str(stalls))
    sent = commands(rng, 60)
    expected = [piece for command in sent for piece in pieces(*command)]

    async def source(ctx):
        await send(ctx, dut.i, [dict(zip(("write", "addr", "length"), command, strict=True)) for command in sent], rng,
                   stalls[0])

    async def sink(ctx):
        for wanted in expected:
            piece, = await receive(ctx, dut.o, 1, rng, stalls[1])
            assert (piece.write, piece.row, piece.bank, piece.word, piece.words) == wanted
        for _ in range(20):
            assert not ctx.get(dut.o.valid), "a piece too many"
            await ctx.tick()

    # Without stalls a piece a cycle; a command without words takes a cycle as well.
    empty = sum(length == 0 for _, _, length in sent)
    cycles = 4000 if any(stalls) else len(expected) + empty + 25
    run(dut, source, sink, cycles=cycles)


@pytest.mark.parametrize("stalls", [(0, 0), (0.5, 0), (0, 0.5), (0.3, 0.4)])
def test_pieces_in_order(stalls):
    check(stalls=stalls)


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_splitter_is_caught(name):
    broken = mutate("dojang_hdl.lpddr4.splitter", *MUTATIONS[name]).Splitter
    with pytest.raises(AssertionError):
        check(broken)
        check(broken, (0, 0))
