"""A whole node runs random programs like the emulated one; with and without gated clocks."""

from dataclasses import replace
from pathlib import Path

import pytest
from dojang_hdl.node.node import Node
from dojang_sim import chip
from dojang_sim.benches.mutation import mutate
from dojang_sim.benches.node import CONFIG
from dojang_sim.cocotb_runner import run_bench

GATE = Path(chip.__file__).with_name("clock_gate.v")


# Every chip of tests/system has gated clocks, and four vector lanes.
@pytest.mark.parametrize("gated, vector_lanes", [(False, 1), pytest.param(True, 4, marks=pytest.mark.slow)])
def test_random_programs(gated, vector_lanes):
    config = replace(CONFIG, vector_lanes=vector_lanes)
    run_bench(Node(config, gated=gated), "dojang_sim.benches.node", f"node_{'gated' if gated else 'plain'}",
              environment={"NODE_PROGRAMS": "3", "NODE_SEED": str(int(gated))}, extra_sources=(GATE,) * gated)


@pytest.mark.slow
def test_padding_that_is_asked_for_is_noticed():
    broken = mutate("dojang_hdl.node.node", "program.drop.eq(sequencer.drop)", "program.drop.eq(0)").Node
    with pytest.raises(AssertionError, match=r"1 of [0-9]+ tests failed"):
        run_bench(broken(CONFIG), "dojang_sim.benches.node", "node_padding",
                  environment={"NODE_PROGRAMS": "1", "NODE_SEED": "1"})
