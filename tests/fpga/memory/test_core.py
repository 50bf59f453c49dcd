"""The text of LiteDRAM's cores: the same every time, and one sentence where there is none."""

import subprocess
from dataclasses import replace

import pytest
from dojang_fpga.memory import Dram, core
from dojang_fpga.memory.core import CoreError
from dojang_hdl.isa import unpack
from dojang_hdl.memory_control import ENTRY, MemoryControl

DDR3 = Dram("ddr3", "MT41K256M16", 512)
SDR = Dram("sdr", "MT48LC16M16", 32, sdr_rate=2)


@pytest.mark.parametrize(("dram", "clock_hz", "input_hz"), [
    (DDR3, 75e6, 100e6), (DDR3, 90e6, 100e6), (Dram("ddr3", "MT41K64M16", 128, dm_lanes=(1, 0)), 72e6, 48e6),
    (Dram("ddr3", "MT41K512M16", 1024), 75e6, 30e6), (SDR, 60e6, 25e6), (replace(SDR, sdr_rate=1), 60e6, 25e6),
])
def test_the_boards_memories(dram, clock_hz, input_hz):
    made = core(dram, clock_hz, input_hz)
    assert "module litedram_core (" in made.verilog and "EHXPLLL" in made.verilog
    assert made.data_bits << made.address_bits == 8 * dram.mib << 20
    assert {pad.name for pad in made.pads if pad.direction == "io"} <= {"ddram_dq", "ddram_dqs_p", "sdram_dq"}
    assert MemoryControl.DFI_ISSUE in made.addresses
    assert (MemoryControl.DELAY_STEP in made.addresses) == (dram.kind == "ddr3")
    assert made.constants[MemoryControl.WORDS] == dram.words


def test_the_same_text_every_time(tmp_path, monkeypatch):
    texts = []
    for name in ("a", "b"):
        monkeypatch.setenv("DOJANG_CACHE", str(tmp_path / name))
        monkeypatch.setenv("PYTHONHASHSEED", "1" if name == "a" else "2")
        texts.append(core(DDR3, 75e6, 100e6))
    assert texts[0] == texts[1]
    assert "202" not in "".join(line for line in texts[0].verilog.splitlines() if "//" in line), "a date"


def test_ddr3_is_held_in_reset_first_and_refreshed_in_time():
    made = core(DDR3, 90e6, 100e6)
    first = unpack(ENTRY, made.constants[MemoryControl.SEQUENCE])
    assert first["control"] == first["command"] == 0
    assert made.constants[MemoryControl.SEQUENCE + 1] >= 200e-6 * 90e6    # in reset
    assert made.constants[MemoryControl.SEQUENCE + 3] >= 500e-6 * 90e6    # until CKE
    # 260 ns, not LiteDRAM's 208 clocks of DDR3-1600, which are 1.2 us at this clock.
    assert made.model["RFC"] == 47


@pytest.mark.parametrize(("dram", "clock_hz", "input_hz", "message"), [
    (replace(DDR3, module="MT41K0"), 75e6, 100e6, "LiteDRAM makes no core of a MT41K0 at 75 MHz from 100 MHz"),
    (replace(DDR3, mib=256), 75e6, 100e6, "mib=256, expected 512: so much does a MT41K256M16 hold"),
    (DDR3, 75e6, 1e6, "LiteDRAM makes no core of a MT41K256M16 at 75 MHz from 1 MHz"),
    (replace(SDR, sdr_rate=1), 80e6, 25e6, "sdr_rate=1 does not fit data that comes 1 clocks of 12.5 ns late"),
])
def test_what_cannot_be_made(dram, clock_hz, input_hz, message):
    with pytest.raises(CoreError) as error:
        core(dram, clock_hz, input_hz)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_an_empty_answer_is_not_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("DOJANG_CACHE", str(tmp_path))
    nothing = subprocess.CompletedProcess([], 0, "", "")
    with monkeypatch.context() as patch:
        patch.setattr(subprocess, "run", lambda *arguments, **options: nothing)
        with pytest.raises(CoreError, match="LiteDRAM makes no core of a MT41K256M16"):
            core(DDR3, 75e6, 100e6)
    assert core(DDR3, 75e6, 100e6).verilog


@pytest.mark.parametrize(("change", "message"), [
    ({"kind": "ddr4"}, "kind='ddr4', expected one of ddr3, sdr"), ({"data_bits": 8}, "data_bits=8, expected 16"),
    ({"sdr_rate": 4}, "sdr_rate=4"), ({"cmd_delay": 128}, "cmd_delay=128, expected 0 to 127"),
    ({"dm_lanes": (0, 0)}, "dm_lanes=(0, 0)"),
])
def test_a_bad_memory(change, message):
    with pytest.raises(ValueError) as error:
        replace(DDR3, **change)
    assert message in str(error.value)
