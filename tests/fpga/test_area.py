"""Growth that is named, and growth that is not."""

from dojang_fpga.area import grown

BEFORE = {"top": {"chip": "x", "lut4": 1000, "dsp": 0, "seconds": 10}, "other": {"lut4": 1}}


def change(**figures):
    return grown({"top": {**BEFORE["top"], **figures}}, BEFORE)


def test_more_than_the_limit_is_named():
    assert change(lut4=1050) == []
    assert change(lut4=1051) == ["top: lut4 1,000 → 1,051 (+5.1%)"]
    assert change(lut4=900) == []
    assert change(lut4=2000, dsp=1) == ["top: lut4 1,000 → 2,000 (+100.0%)", "top: dsp 0 → 1 (from nothing)"]


def test_time_and_what_was_not_there_are_not_compared():
    assert change(seconds=100) == [] and change(bram=5) == []
    assert grown({"new": {"lut4": 5}}, BEFORE) == []
