"""What a block RAM gives for a word that is being written does not matter to anything in the guard."""

import pytest
from dojang_sim.benches.mutation import mutate

from . import test_combiner, test_merger, test_store, test_verifier

GARBAGE = ("port.data.eq(read.data)",
           "port.data.eq(read.data ^ (self.write.en.any() & (self.write.addr == port.addr)).replicate(self._width))")

CHECKS = {
    "combiner": ("Combiner", (test_combiner.random_traffic, test_combiner.written_whole)),
    "merger": ("Merger", (test_merger.check,)),
    "store": ("Store", (test_store.check,)),
    "verifier": ("Verifier", test_verifier.CHECKS),
}


def with_garbage(name):
    module = mutate("dojang_hdl.block_memory", *GARBAGE, users=(f"dojang_hdl.guard.{name}",))
    return getattr(module, CHECKS[name][0])


@pytest.mark.parametrize("name", CHECKS)
def test_garbage_does_not_matter(name):
    for check in CHECKS[name][1]:
        check(with_garbage(name))
