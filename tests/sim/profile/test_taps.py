"""Every tap is a signal of the elaborated chip, and no wider than a record has room for."""

import re

import pytest
from dojang_hdl.config import ChipConfig
from dojang_hdl.node.node import Node
from dojang_sim.chip.memories import MEMORIES
from dojang_sim.chip.top import ChipTop
from dojang_sim.netlist import to_verilog
from dojang_sim.profile import taps
from dojang_sim.profile.taps import CHIP, chip_taps, public_signals, tap_table

PAIR = ChipConfig("taps-test", width=2, height=1, lanes=1, contexts=1, acc_rows=32, sram_words=64, plane_fifo=128,
                  scale_fifo=128, program_fifo=64, chunk=32, channel_mib=1)


def widths(verilog: str) -> dict[str, int]:
    """Bits of the named signals of a flattened module."""
    found = re.findall(r"^  (?:wire|reg|output|input) (?:(?:wire|reg) )?(?:\[(\d+):0\] )?\\?(\S+?) ? ?(?:;|=)", verilog,
                       re.MULTILINE)
    return {name: int(high or 0) + 1 for high, name in found}


@pytest.fixture(scope="module")
def netlists():
    memories = MEMORIES["lpddr4"]
    return {CHIP: widths(to_verilog(ChipTop(PAIR, memories), "chip_top", flatten=True)),
            None: widths(to_verilog(Node(PAIR, gated=True), "dojang_node", flatten=True))}


def test_every_tap_is_there(netlists):
    places = chip_taps(PAIR, guarded=True)
    for place in places:
        signals = netlists[CHIP if place.scope == CHIP else None]
        assert place.signal in signals, f"{place.tap.name}: {place.signal}"
        assert signals[place.signal] <= 32
    instances = {place.scope.removeprefix(f"{CHIP}.") for place in places if place.scope != CHIP}
    assert instances == {"chip.node_0_0.instance", "chip.node_1_0.instance"}


def test_names_are_unique_and_explained():
    for table in (taps.NODE_TAPS, (*taps.CHANNEL_TAPS, *taps.MEMORY_TAPS)):
        names = [tap.name for tap in table]
        assert len(set(names)) == len(names) and all(tap.meaning for tap in table)


def test_a_number_is_that_of_the_generated_table():
    places = chip_taps(PAIR, guarded=False)
    rows = re.findall(r'\{"(.*)", "(.*)", (k\w+)\}', tap_table(places))
    assert rows == [(place.scope, place.signal, place.tap.kind) for place in places]
    assert len({(place.owner, place.tap.name) for place in places}) == len(places)
    assert 'public_flat_rd -module "node" -var "engine.busy"' in public_signals(places, "top", "node")
    assert "refresher" not in public_signals(places, "top", "node")
