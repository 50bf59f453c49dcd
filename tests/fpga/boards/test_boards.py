"""The boards: their FPGAs, pins and chips."""

from dataclasses import replace

import pytest
from dojang_fpga.boards import BOARDS, LED_STATES, BoardError, board
from dojang_fpga.memory import core

DEVICES = {
    "ecpix5": ("LFE5UM5G-85F", "BG554", "8"),
    "orangecrab": ("LFE5U-85F", "MG285", "8"),
    "butterstick": ("LFE5UM5G-85F", "BG381", "8"),
    "ulx3s": ("LFE5U-85F", "BG381", "6"),
}
UNCONNECTED = {"ecpix5": {"ddram_cs_n", "ddram_reset_n"}, "orangecrab": set(), "butterstick": set(), "ulx3s": set()}
"""Pads of the memory's core without a pin: they are tied on the board."""

MHZ = {"ecpix5": 100, "orangecrab": 48, "butterstick": 30, "ulx3s": 25}


@pytest.fixture(params=BOARDS)
def target(request):
    return BOARDS[request.param]


def test_every_board_has_its_fpga(target):
    platform = target.make_platform()
    assert (platform.device, platform.package, platform.speed) == DEVICES[target.name]
    assert target.input_hz == MHZ[target.name] * 1_000_000 == platform.default_clk_frequency


def test_every_pad_of_the_memory_has_its_pins(target):
    pads = {pad.name: pad.width for pad in core(target.dram, target.clock_hz, target.input_hz).pads}
    pins = target.pins(target.make_platform()).memory
    assert set(pads) - set(pins) == UNCONNECTED[target.name]
    assert {name: len(pin) for name, pin in pins.items()} == {name: pads[name] for name in pins}


def test_every_state_lights_an_led(target):
    pins = target.pins(target.make_platform())
    assert {state for _, states in pins.leds for state in states} == set(LED_STATES)
    assert all(len(port) == 1 for port, _ in pins.leds)


def test_no_pin_has_two_uses(target):
    # The platform refuses a pin that was requested before; one that is held must not be one of the memory's.
    pins = target.pins(target.make_platform())
    used = [meta.name for pad in pins.memory.values() for meta in pad.metadata]
    held = [meta.name for port, _ in pins.held for meta in port.io.metadata]
    assert len({*used, *held}) == len(used) + len(held)


def test_engines_keep_up_with_the_memory(target):
    for name in target.presets:
        config = target.chip(name)
        planes = 8 * target.peak_bytes_per_s * 4 / 4.5
        assert config.plane_bits_per_cycle * target.clock_hz >= planes, name


def test_the_serial_port_is_fast_and_within_a_clock(target):
    assert target.link.baud == target.link.bauds[0] >= 3_000_000
    assert all(target.clock_hz / baud >= 4 for baud in target.link.bauds)


def test_errors_name_what_there_is(target):
    with pytest.raises(BoardError, match=f"chip 'sim-2x2' is not for board {target.name}, expected one of board-"):
        target.chip("sim-2x2")
    with pytest.raises(BoardError, match=r"chip 'none' .*\(no such preset\)"):
        target.chip("none")
    with pytest.raises(BoardError, match="baud rate 9600 is not one of"):
        target.baud(9600)
    with pytest.raises(BoardError, match="unknown board 'none', expected one of ecpix5, orangecrab"):
        board("none")


def test_a_chip_of_another_memory_is_refused():
    with pytest.raises(BoardError, match="preset board-ulx3s has 1 channels of 32 MiB, expected one of 512 MiB"):
        replace(BOARDS["ecpix5"], presets=("board-ulx3s",))
    with pytest.raises(BoardError, match="preset sim-2x2 has 2 channels of 1024 MiB"):
        replace(BOARDS["ecpix5"], presets=("sim-2x2",))
