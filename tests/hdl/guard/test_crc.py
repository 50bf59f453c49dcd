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
    "not begun anew without one": ("with m.Elif(self.start):", "with m.Elif(0):"),
    "counts what is not there": ("with m.If(self.valid):", "with m.If(1):"),
    "a bit forgotten": ("range(0, WORD_BITS, _GROUP)", "range(0, WORD_BITS - 2, _GROUP)"),
    "not inverted": ("self.crc.eq(~state)", "self.crc.eq(state)"),
}


def check(crc):
    dut, rng = crc(), random.Random(7)

    async def bench(ctx):
        found = b""
        assert ctx.get(dut.crc) == zlib.crc32(found)
        for _ in range(200):
            valid, start = rng.random() < 0.7, rng.random() < 0.2
            word = rng.choice((rng.getrandbits(128), 1 << rng.randrange(128), 0))
            ctx.set(dut.data, word)
            ctx.set(dut.valid, valid)
            ctx.set(dut.start, start)
            await ctx.tick()
            found = (b"" if start else found) + (word.to_bytes(16, "little") if valid else b"")
            assert ctx.get(dut.crc) == zlib.crc32(found)

    run(dut, bench, cycles=210)


def test_crc():
    check(Crc32)


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_crc_is_caught(name):
    broken = mutate("dojang_hdl.guard.crc", *MUTATIONS[name]).Crc32
    with pytest.raises(AssertionError):
        check(broken)
