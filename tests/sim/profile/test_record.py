"""What sampler.h writes, written by hand."""

import numpy as np
from dojang_hdl.config import preset
from dojang_sim.profile import chip_taps, read_record
from dojang_sim.profile.record import BEGIN, END, ENTRY

PLACES = chip_taps(preset("small-node"), guarded=False)
TAP = {(place.owner, place.tap.name): number for number, place in enumerate(PLACES)}


def entries(*rows):
    return np.array(list(rows), ENTRY)


def one_pass(cycles, changes):
    first = [(0, 0, number) for number in range(len(PLACES))]
    return [(0, 0, BEGIN), *first, *((time, value, TAP[owner]) for time, owner, value in changes), (cycles, 0, END)]


def test_passes_that_have_ended_are_read(tmp_path):
    state, level = (("node", 0), "busy"), (("node", 0), "planes_level")
    path = tmp_path / "events"
    rows = [*one_pass(70, [(3, state, 2), (9, state, 5), (64, level, 40)]), *one_pass(5, [(1, state, 1)])]
    entries(*rows, (0, 0, BEGIN), (0, 7, 0)).tofile(path)
    first, second = read_record(path, PLACES)
    assert (first.cycles, second.cycles) == (70, 5)
    signal = first.node(0)["busy"]
    assert signal.at(np.array([0, 2, 3, 8, 9, 69])).tolist() == [0, 0, 2, 2, 5, 5]
    assert first.node(0)["planes_level"].values.tolist() == [0, 40]
    assert second.node(0)["busy"].times.tolist() == [0, 1]
    assert first.channel(0).keys() == {place.tap.name for place in PLACES if place.owner == ("channel", 0)}
