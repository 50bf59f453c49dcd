"""The memory port's own bench on LiteDRAM's cores with models of the memories."""

import re
from dataclasses import replace

import pytest
from dojang_fpga.memory import Dram, LiteDramMemory, core
from dojang_hdl.config import WORD_BYTES
from dojang_sim.board.memory.top import BoardMemory
from dojang_sim.cocotb_runner import run_bench

WORDS = 16384
BENCHES = "dojang_sim.board.memory.bench,dojang_sim.benches.memory_port"
DDR3 = Dram("ddr3", "MT41K256M16", 512)
SDR = Dram("sdr", "MT48LC16M16", 32)
MEMORIES = {
    "ddr3": (DDR3, 75e6, 1 / 2, "10:300"),
    "sdr": (SDR, 60e6, 1 / 8, "10:200"),
    "sdr_fast": (replace(SDR, sdr_rate=2), 60e6, 1 / 8, "10:400"),   # of the chip's clocks, as the bench's cycles are
}


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "image"
    path.write_bytes(bytes(WORDS * WORD_BYTES))
    return path


def run(name, image, sustained=0.0, benches=BENCHES, **more):
    dram, clock_hz, peak, latency = MEMORIES[name]
    top = BoardMemory(dram, clock_hz, WORDS)
    run_bench(top, benches, f"board_memory_{name}", extra_sources=top.sources(), environment={
        "MEMORY_WORDS": str(WORDS), "MEMORY_LATENCY": latency, "MEMORY_RATE": str(0.8 * peak),
        "MEMORY_PEAK": str(peak), "MEMORY_SUSTAINED": str(sustained), "DOJANG_MEMORY_1": str(image), **more})


@pytest.mark.parametrize(("name", "sustained"), [("ddr3", 0.96), ("sdr", 0.975), ("sdr_fast", 0.975)])
def test_memory_port(name, sustained, image):
    run(name, image, sustained)
    assert image.read_bytes() != bytes(WORDS * WORD_BYTES)


@pytest.mark.parametrize(("windows", "message"), [
    ("1:2-5,2:9-9", "byte lane 1 of the memory of channel 1 never reads right: "
                    "tried delays 0 to 7 at each of the bitslips 0 to 3"),
])
def test_a_lane_that_never_reads_right(windows, message, image):
    run("ddr3", image, benches="dojang_sim.board.memory.bench", MEMORY_FAILS=message, DOJANG_DDR3_WINDOWS=windows)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "rule", "clocks"), [
    ("ddr3", "RCD", 8), ("ddr3", "RFC", 60), ("ddr3", "REFI", 800), ("sdr_fast", "RCD", 8), ("sdr_fast", "REFI", 500),
])
def test_the_model_of_a_slower_memory_complains(name, rule, clocks, image, capfd, monkeypatch):
    """What the models check is what the controller keeps: one for a faster memory breaks each rule."""
    dram, clock_hz, _, _ = MEMORIES[name]
    made = core(dram, clock_hz, clock_hz, simulated=True, words=WORDS)
    old = f".{rule}({made.model[rule]})"
    assert made.verilog.count(old) == 1
    slower = replace(made, verilog=made.verilog.replace(old, f".{rule}({clocks})"))
    monkeypatch.setattr(LiteDramMemory, "core", property(lambda self: slower))
    with pytest.raises((AssertionError, RuntimeError, SystemExit)):
        run(name, image, benches="dojang_sim.board.memory.bench")
    output = capfd.readouterr()
    assert ("no refresh" if rule == "REFI" else f"t{rule}") in output.out + output.err


@pytest.mark.slow
@pytest.mark.parametrize(("old", "new", "count"), [
    (r"(_gate\d_may = ).*;", r"\1 1'd1;", 8),                               # banks out of turn
    (r"(_turns_source_ready = ).*;", r"\1 1'd1;", 1),                       # turns that do not wait for the memory
    (r"(_turns_syncfifo_writable = ).*;", r"\1 1'd1;", 1),                  # more commands than turns
])
def test_a_core_that_mixes_banks_up_is_found(old, new, count, image, monkeypatch):
    made = core(*MEMORIES["ddr3"][:2], MEMORIES["ddr3"][1], simulated=True, words=WORDS)
    text, changed = re.subn(old, new, made.verilog)
    assert changed == count
    monkeypatch.setattr(LiteDramMemory, "core", property(lambda self: replace(made, verilog=text)))
    with pytest.raises((AssertionError, RuntimeError, SystemExit)):
        run("ddr3", image, 0.96)
