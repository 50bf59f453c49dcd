"""The memory port's own bench on LiteDRAM's cores with models of the memories."""

from dataclasses import replace

import pytest
from dojang_fpga.memory import Dram
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


@pytest.mark.parametrize(("name", "sustained"), [("ddr3", 0.9), ("sdr", 0.93), ("sdr_fast", 0.93)])
def test_memory_port(name, sustained, image):
    run(name, image, sustained)
    assert image.read_bytes() != bytes(WORDS * WORD_BYTES)
