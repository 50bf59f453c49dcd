"""The same bench for every memory behind a `MemoryPort`."""

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In
from dojang_hdl.config import WORD_BYTES
from dojang_hdl.lpddr4.timing import Lpddr4Config
from dojang_hdl.memory import MemoryPort
from dojang_hdl.register_slice import RegisterSlice
from dojang_sim.cocotb_runner import run_bench
from dojang_sim.lpddr4.channel import Lpddr4Channel
from dojang_sim.lpddr4.device import phy_sources
from dojang_sim.memory import SOURCES, IdealMemory, SramMemory

WORDS = 64


class Sliced(wiring.Component):
    """A memory behind a register slice."""

    port: In(MemoryPort())

    def elaborate(self, platform):
        m = Module()
        m.submodules.slice = register_slice = RegisterSlice()
        m.submodules.memory = memory = SramMemory(WORDS, latency=3)
        wiring.connect(m, wiring.flipped(self.port), register_slice.port)
        wiring.connect(m, register_slice.memory, memory.port)
        return m


MEMORIES = {
    "sram": (lambda: SramMemory(WORDS, latency=3), (), "3:3", "1.0"),
    "sliced": (Sliced, (), "5:5", "1.0"),
    "pausing": (lambda: SramMemory(WORDS, latency=8, pauses=3), (), "8:200", "0.5"),
    "ideal": (lambda: IdealMemory(1, WORDS, latency=32), SOURCES, "32:32", "1.0"),
    "lpddr4": (lambda: Lpddr4Channel(Lpddr4Config(init_divisor=1000), 1), phy_sources(), "10:150", "0.9"),
}


STARTUP = 20_000
"""Cycles that the longest initialisation takes at most."""


def environment(latency, rate="1.0", **more):
    return {"MEMORY_WORDS": str(WORDS), "MEMORY_LATENCY": latency, "MEMORY_RATE": rate, "MEMORY_STARTUP": str(STARTUP),
            **more}


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "image"
    path.write_bytes(bytes(WORDS * WORD_BYTES))
    return path


@pytest.mark.parametrize("name", MEMORIES)
def test_memory_port(name, image):
    component, sources, latency, rate = MEMORIES[name]
    run_bench(component(), "dojang_sim.benches.memory_port", f"memory_{name}", extra_sources=sources,
              environment=environment(latency, rate, DOJANG_MEMORY_1=str(image)))
    if name == "ideal":
        assert image.read_bytes() != bytes(WORDS * WORD_BYTES), "what was written must be in the file"


@pytest.mark.parametrize(("make_image", "message"), [
    (lambda path: None, "cannot open"),
    (lambda path: path.write_bytes(bytes(100)), "has 100 bytes, expected 512"),
    (lambda path: path.write_bytes(bytes(512)), "memory channel 1: write of word 0x20, the memory has 0x20 words"),
])
def test_ideal_memory_refuses(make_image, message, tmp_path, capfd):
    """No image, a wrong size, and (as the bench takes it for larger than it is) an access beyond the end."""
    path = tmp_path / "image"
    make_image(path)
    with pytest.raises((AssertionError, RuntimeError, SystemExit)):
        run_bench(IdealMemory(1, 32), "dojang_sim.benches.memory_port", "memory_refusing", extra_sources=SOURCES,
                  environment=environment("32:32", DOJANG_MEMORY_1=str(path)))
    output = capfd.readouterr()
    assert message in output.out + output.err
