"""Why a memory port is idle: each cause from a record made by hand; sums are exact."""

import numpy as np
import pytest
from dojang.profile.channel import CAUSES, reader_states

from .scenes import ASKS, READ, found_channel

RESERVE = reader_states()["RESERVE"]


def at(timeline, cycle):
    return CAUSES[timeline.causes[np.searchsorted(timeline.begins, cycle, side="right") - 1]]


def test_a_read_from_its_request_to_its_last_word():
    found = found_channel(READ, ASKS)
    names = {20: "nothing asked for: waits for its program", 22: "a request is on its way",
             24: "a request is on its way", 25: "nothing asked for: sequencer", 26: "memory latency",
             39: "memory latency", 40: "busy", 42: "busy", 43: "memory latency", 46: "the network takes no reply",
             47: "busy", 48: "nothing asked for: vector unit", 60: "nothing asked for: waits for a gather"}
    assert {cycle: at(found, cycle) for cycle in names} == names
    assert found.words == {"planes": 0, "scales": 4, "program": 0, "store": 0, "urgent_planes": 0,
                           "urgent_scales": 0, "write": 0}
    assert found.stalled == 1
    assert found.in_flight[np.searchsorted(found.begins, 30, side="right") - 1] == 4


def test_reads_and_writes():
    """Both may move in a cycle, which is busy once."""
    found = found_channel(READ | {"write_valid": [(0, 0), (42, 1), (44, 0)], "write_ready": [(0, 1)]})
    assert found.words["write"] == 2 and found.words["scales"] == 4
    assert found.cycles()["busy"] == 5 and at(found, 43) == "busy"


def test_causes_sum_up_to_the_pass():
    for found in (found_channel({}), found_channel(READ, ASKS), found_channel(READ, ASKS, guarded=True)):
        assert sum(found.cycles().values()) == 100 == found.lengths.sum()
        assert found.cycles()["busy"] == sum(found.words.values())


def test_full_readers_are_told_from_those_without_commands():
    found = found_channel({}, {"scales_reader": [(0, 0), (40, RESERVE), (85, 0)], "program_reader": [(0, RESERVE)]})
    assert at(found, 36) == "nothing asked for: vector unit" and at(found, 45) == "FIFOs full: vector unit"
    assert at(found, 80) == "FIFOs full: engine" and at(found, 88) == "nothing asked for: engine"


def test_prefetch_behind_urgent_reads():
    found = found_channel({"held": [(0, 0), (40, 2), (52, 0)]}, {"planes_reader": [(0, RESERVE)]})
    assert at(found, 45) == "a READ waits behind urgent ones" and at(found, 55) == "FIFOs full: waits for a gather"


@pytest.mark.parametrize("taps, cause", [
    ({"refresh": [(0, 0), (30, 2)]}, "refresh"),
    ({"pins_read": [(0, 0), (30, 1)]}, "the pins move words for later, or of the guard"),
    ({"pins_written": [(0, 0), (28, 1), (29, 0)], "pins_read": [(0, 0), (38, 1)]}, "turn-around"),
    ({"pins_read": [(0, 0), (28, 1), (29, 0), (38, 1)]}, "memory latency")])
def test_latency_has_causes(taps, cause):
    assert at(found_channel(READ | taps, ASKS, guarded=True), 35) == cause


def test_labels_tell_the_kind_of_words():
    found = found_channel(READ, ASKS)
    labels, names = found.labels()
    assert [names[labels[np.searchsorted(found.begins, cycle, side="right") - 1]] for cycle in (40, 42, 47)] == [
        "scales"] * 3
