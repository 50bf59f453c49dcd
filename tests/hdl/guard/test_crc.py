"""The CRC of words against zlib's."""

import random
import zlib

import pytest
from dojang_hdl.guard.crc import Crc32
from dojang_sim.benches.mutation import mutate
from dojang_sim.benches.streams import run

MUTATIONS = {
    "no state": ("self.data ^ (state | self.start.replicate(_BITS))", "self.data ^ ~0"),
    "not begun anew with a word": (" | self.start.replicate(_BITS)", ""),
    "not begun anew without one": ("with m.Elif(self.start & (self.message == message)):", "with m.Elif(0):"),
    "counts what is not there": ("with m.If(self.valid & ", "with m.If("),
    "counts for both": ("with m.If(self.valid & (self.message == message)):", "with m.If(self.valid):"),
    "continues the other": ("Mux(self.message, states[1], states[0])", "states[0]"),
    "begins both anew": ("m.Elif(self.start & (self.message == message)):", "m.Elif(self.start):"),
    "a bit forgotten": ("range(0, WORD_BITS, _GROUP)", "range(0, WORD_BITS - 2, _GROUP)"),
    "not inverted": (".eq(~of_message)", ".eq(of_message)"),
}


def check(crc):
    dut, rng, found = crc(), random.Random(7), [b"", b""]

    async def bench(ctx):
        for _ in range(200):
            assert list(ctx.get(dut.crc)) == [zlib.crc32(words) for words in found]
            valid, start, message = rng.random() < 0.7, rng.random() < 0.2, rng.randrange(2)
            word = rng.choice((rng.getrandbits(128), 1 << rng.randrange(128), 0))
            ctx.set(dut.data, word)
            ctx.set(dut.valid, valid)
            ctx.set(dut.start, start)
            ctx.set(dut.message, message)
            await ctx.tick()
            found[message] = (b"" if start else found[message]) + (word.to_bytes(16, "little") if valid else b"")

    run(dut, bench, cycles=210)


def test_crc():
    check(Crc32)


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_crc_is_caught(name):
    broken = mutate("dojang_hdl.guard.crc", *MUTATIONS[name]).Crc32
    with pytest.raises(AssertionError):
        check(broken)
