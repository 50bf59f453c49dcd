"""The same bench for every memory behind a `MemoryPort`."""

import pytest
from dojang_hdl.config import WORD_BYTES
from dojang_sim.cocotb_runner import run_bench
from dojang_sim.memory import SOURCES, IdealMemory, SramMemory

WORDS = 64
MEMORIES = {
    "sram": (lambda: SramMemory(WORDS, latency=3), (), "3"),
    "ideal": (lambda: IdealMemory(1, WORDS, latency=32), SOURCES, "32"),
}


def environment(latency, **more):
    return {"MEMORY_WORDS": str(WORDS), "MEMORY_LATENCY": latency, "MEMORY_RATE": "1.0", **more}


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "image"
    path.write_bytes(bytes(WORDS * WORD_BYTES))
    return path


@pytest.mark.parametrize("name", MEMORIES)
def test_memory_port(name, image):
    component, sources, latency = MEMORIES[name]
    run_bench(component(), "dojang_sim.benches.memory_port", f"memory_{name}", extra_sources=sources,
              environment=environment(latency, DOJANG_MEMORY_1=str(image)))
    if name == "ideal":
        assert image.read_bytes() != bytes(WORDS * WORD_BYTES), "what was written must be in the file"
