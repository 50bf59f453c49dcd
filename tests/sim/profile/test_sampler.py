"""A profiled chip: its record agrees with its counters, and recording costs less than the simulation."""

import json

import pytest
from dojang.checkpoints import ModelShape
from dojang.checkpoints.synthetic import random_checkpoint
from dojang.profile import draw_layer, draw_roofline, figures_of, run_profiled, trace_events
from dojang.sessions import Memory, open_session
from dojang_hdl.config import ChipConfig, preset

MODEL = random_checkpoint(ModelShape(2, 32, 1, 1, 32, 32, 33, 32))

PAIR = ChipConfig("profile-test", width=2, height=1, lanes=1, contexts=2, acc_rows=128, sram_words=1024,
                  plane_fifo=128, scale_fifo=128, program_fifo=64, chunk=32, channel_mib=32)


@pytest.mark.slow
@pytest.mark.parametrize("config, memory, prefill", [
    (preset("small-node"), Memory.IDEAL, 0), (PAIR, Memory.LPDDR4, 3)], ids=["ideal", "lpddr4"])
def test_a_real_record(config, memory, prefill, tmp_path):
    """`run_profiled` compares it with the counters of every channel in every pass."""
    run = run_profiled(MODEL, config, memory, 3, prefill, 2, 32, lambda _: None)
    assert [(each.position, each.tokens) for each in run.passes] == [
        *([(3, 2), (5, 1)] if prefill else []), (3 + prefill, 1), (4 + prefill, 1)]
    for found in run.passes:
        for channel in found.channels:
            cycles = channel.cycles()
            assert sum(cycles.values()) == found.cycles
            assert 0 <= sum(channel.words.values()) - cycles["busy"] <= channel.words["write"]   # both in a cycle
        for node in found.nodes:
            assert node.instructions[-1].op.name == "END"
            spent = int(node.signals["engine_busy"].values[-1])
            gemvs = [at for at, each in enumerate(node.instructions) if each.op.name == "GEMV"]
            assert int((node.done[gemvs] - node.executes[gemvs]).sum()) == spent > 0
    figures = json.loads(json.dumps(figures_of(run, config)))
    for found in figures["passes"]:
        assert sum(phase["cycles"] for phase in found["phases"].values()) == pytest.approx(found["cycles"])
        assert sum(sum(phase["port_cycles"].values()) for phase in found["phases"].values()) == (
            found["cycles"] * config.channels)
    events = trace_events(run.passes, config)["traceEvents"]
    assert all(event["dur"] >= 0 for event in events if event["ph"] == "X")
    draw_layer(run.passes[-1], config, 1, tmp_path / "layer.svg")
    draw_roofline(figures | {"model": "random", "chip": config.name, "memory": memory.value}, config,
                  tmp_path / "roofline.svg")
    assert "qkv" in (tmp_path / "layer.svg").read_text() and "a phase" in (tmp_path / "roofline.svg").read_text()


@pytest.mark.slow
def test_recording_costs_less_than_the_simulation():
    """Both in turns, so that a busy machine is busy for both; the best of each counts."""
    config, speeds = preset("small-node"), {True: 0.0, False: 0.0}
    for _ in range(3):
        speeds[True] = max(speeds[True], run_profiled(MODEL, config, Memory.IDEAL, 0, 0, 6, 32, lambda _: None)[1])
        with open_session(MODEL, config, context=32, memory=Memory.IDEAL) as session:
            session.prefill([1] * 6)
            speeds[False] = max(speeds[False], session.summary()["simulated_hz"])
    assert speeds[True] > speeds[False] / 2, speeds
