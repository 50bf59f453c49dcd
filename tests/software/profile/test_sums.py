"""Sums and timeline of a pass made by hand."""

from dojang.profile import totals, trace_events
from dojang.profile.passes import Pass

from .scenes import CONFIG, found_channel, found_node


def a_pass():
    return Pass(7, 1, 100, [found_node(planes_level=[(0, 10), (64, 20)], engine_busy=[(0, 0), (64, 3), (99, 9)])],
                [found_channel()])


PASS = a_pass()


def test_phases_and_their_causes():
    phases = totals(PASS)["phases"]
    assert {name: phase["cycles"] for name, phase in phases.items()} == {"norm": 70, "qkv": 20, "end": 10}
    assert {name: sum(phase["port_cycles"].values()) for name, phase in phases.items()} == {
        "norm": 70, "qkv": 20, "end": 10}
    assert phases["norm"]["port_cycles"]["busy"] == 4
    assert (phases["qkv"]["plane_bits"], phases["qkv"]["streamed_bytes"]) == (8192, 1024)


def test_gathers_units_and_levels():
    found = totals(PASS)
    assert found["gathers"] == {"norm": {"count": 1, "wait": 20, "spread": 0, "last_waits": 20}}
    (node,) = found["nodes"]
    assert node["units"]["engine"] == 9 and node["mean_levels"]["planes"] == 15
    assert found["bytes"] == 64 and found["plane_bits"] == 8192


def test_timeline():
    events = trace_events([PASS, PASS], CONFIG)["traceEvents"]
    spans = [event for event in events if event["ph"] == "X"]
    sequencer = [(event["name"], event["ts"], event["dur"]) for event in spans
                 if event["pid"] == 0 and event["tid"] == 1]
    one = [("STREAM planes", 18, 2), ("VEC", 35, 1), ("WAIT 1", 45, 25), ("GEMV", 78, 1), ("END", 85, 6)]
    assert sequencer == one + [(name, at + 100, length) for name, at, length in one]
    names = {event["args"]["name"] for event in events if event["name"] == "thread_name" and event["pid"] == 0}
    assert {"sequencer", "engine", "vector unit", "mover", "candidates", "gathers"} <= names
    port = [event for event in spans if event["pid"] == 1000 and event["tid"] == 0]
    assert sum(event["dur"] for event in port) == 200 and all(event["dur"] >= 8 for event in port)
    levels = [event["args"]["words"] for event in events if event["ph"] == "C" and event["name"] == "planes FIFO"]
    assert levels == [10, 20, 10, 20]
