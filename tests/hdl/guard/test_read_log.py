"""Reads on their way near an address, against a list of them."""

import random

import pytest
from dojang_hdl.guard.read_log import PLACE, ReadLog
from dojang_sim.benches.mutation import mutate
from dojang_sim.benches.streams import run

ON_THEIR_WAY = 16
ALIKE = 1 << PLACE.start + 6
"""Words from one place to the next that shares its entry."""
NEW = 250
"""Reads after a reset, all of them too few for a number to come again."""

MUTATIONS = {
    "the last place is not noted": ("put.en.eq(self.read | second)", "put.en.eq(self.read)"),
    "the first place is not noted": ("put.en.eq(self.read | second)", "put.en.eq(second)"),
    "number of the read before": ("put.data.eq(taken + self.read)", "put.data.eq(taken)"),
    "done before it is": ("age >= on_their_way", "age + 1 >= on_their_way"),
    "done too late": ("age >= on_their_way", "age > on_their_way"),
    "what was done long ago is on its way": ("self.clear.eq(age >= on_their_way)",
                                             "self.clear.eq((done - number)[:5] <= 16)"),
    "another place is looked up": ("get.addr.eq(self.addr[_ENTRY])", "get.addr.eq(self.addr[_ENTRY] ^ 1)"),
    "looks again": ("with m.If(self.look):", "with m.If(1):"),
    "takes the last place a cycle late": ("with m.If(self.read):", "with m.If(second):"),
}


def place(addr):
    return addr % ALIKE >> PLACE.start


def check(log, count=NEW, seed=1):
    """Reads come and are done at random, places are asked for meanwhile; the answer is right in every cycle.

    Of a read that comes about then either answer is right; with more than `NEW` reads it may be on its way for longer.
    """
    dut, rng = log(), random.Random(seed)
    reads = []      # (cycle it was taken in, its places)
    done = []       # cycles

    def address():
        return rng.choice((rng.randrange(4), rng.randrange(64))) << PLACE.start | rng.randrange(256)

    async def bench(ctx):
        cycle, next_read, asked, answers = 0, 0, None, 0
        while len(done) < count:
            reading = cycle >= next_read and len(reads) < count and len(reads) - len(done) < ON_THEIR_WAY
            first = address()
            last = first + rng.choice((0, 255)) & ~255 | rng.randrange(256)
            ctx.set(dut.first, first + rng.choice((0, ALIKE)))
            ctx.set(dut.last, last)
            ctx.set(dut.read, reading)
            if reading:
                reads.append((cycle, {place(first), place(last)}))
                next_read = cycle + rng.choice((3, 3, 3, 20))
            old = len(done) < len(reads) and reads[len(done)][0] < cycle - 8
            finished = old and rng.random() < rng.choice((0.4, 0.02))
            ctx.set(dut.done, finished)
            if finished:
                done.append(cycle)
            look, addr = rng.random() < 0.1, address()
            ctx.set(dut.look, look)
            ctx.set(dut.addr, addr)
            if look:
                asked = cycle, place(addr)
            elif asked and cycle >= asked[0] + 2:
                known = sum(when <= cycle - 2 for when in done)
                last_near = max((number for number, (_, places) in enumerate(reads) if asked[1] in places), default=-1)
                sure = last_near < 0 or reads[last_near][0] <= asked[0] - 3
                if sure and (last_near >= known or count <= NEW):
                    assert ctx.get(dut.clear) == (last_near < known)
                    answers += 1
            await ctx.tick()
            cycle += 1
        assert answers > count // 4

    run(dut, bench, cycles=100 * count)


@pytest.mark.parametrize(("count", "seed"), [(NEW, 1), (NEW, 2), (1200, 3)])
def test_it_knows_what_is_on_its_way(count, seed):
    check(ReadLog, count, seed)


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_read_log_is_caught(name):
    broken = mutate("dojang_hdl.guard.read_log", *MUTATIONS[name]).ReadLog
    with pytest.raises(AssertionError):
        check(broken)
        check(broken, 600)
