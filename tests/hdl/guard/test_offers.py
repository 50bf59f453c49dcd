"""No stream inside the guard takes back what it has offered, whatever comes in between."""

import pytest
from dojang_hdl.guard.guard import Guard
from dojang_hdl.guard.layout import CLUSTER
from dojang_sim.benches.offers import recorded

from .bench import FULL, Bench, broken

pytestmark = pytest.mark.usefixtures("few_places")

RESETS = ("JobRing.issue", "JobRing.walk", "Reader.issue", "Locator.i[2]", "BlockWalker.i", "BlockWalker.o",
          "Checker.block", "Checker.i")
"""Streams that are emptied, and words thrown away, when a block is read again."""

WAITED = ("Guard.port.command", "Guard.port.write", "Guard.memory.command", "Guard.memory.write", "Guard.memory.read",
          "Front.job", "Front.cluster", "Merger.job", "Verifier.job", "Patrol.job", "JobRing.i[0]", "JobRing.i[3]",
          "Emitter.place", "Reader.issue", "Locator.o", "Checker.i", "Combiner.o")
"""Streams where something has to have waited, or the traffic shows nothing."""

MUTATIONS = {
    "patrol asks no more when it is halted": (("patrol", "writer", "guard"), "with m.If(self.interval == 0):",
                                              "with m.If(self.halt):\n            m.d.sync += self.job.valid.eq(0)\n"
                                              "        with m.If(self.interval == 0):"),
    "words hidden without room": (("reader", "guard"), "checker.i.valid.eq(self.i.valid),",
                                  "checker.i.valid.eq(self.i.valid & store.room),"),
    "a read hidden while it waits": (("guard",), "locator.i[2].valid.eq(reader.issue.valid)",
                                     "locator.i[2].valid.eq(reader.issue.valid & ~hold)"),
}


def nothing_is_taken_back(guard=Guard):
    """With wrong bits, a patrol that never pauses, raw reads, a memory so slow that reads wait for a place."""
    with recorded() as offers:
        bench = Bench(guard=guard, seed=8, stall=0.5, patrol=1, latency=range(100, 300))
        bench.memory.flip = bench.any_wrong_bits(0.02)

        async def scenario(ctx):
            for word in range(40):      # more short reads than the ring has places, of tiles, as they pass writes
                bench.chip.read(word)
                if word % 3 == 0:
                    bench.chip.write(bench.protection.tiles_end + CLUSTER * word, [(word, FULL)])
            bench.traffic(30, 12, raw=0.05)
            await bench.drain(ctx, 10 * bench.enough(40, 12))
            assert bench.flips[1], "nothing was read again"

        async def watch(ctx):
            await offers.watch(ctx, RESETS, offers.component("Reader").restart)

        bench.run(scenario, background=(watch,))
    assert not offers.broken
    assert {name for name, cycles in offers.waited.items() if cycles} >= set(WAITED)


def test_nothing_is_taken_back():
    nothing_is_taken_back()


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_offer_is_caught(name):
    with pytest.raises(AssertionError):
        nothing_is_taken_back(broken(*MUTATIONS[name]))
