"""Faults injected into the device are seen in its data or its rules, and nowhere without them."""

import random

import pytest
from dojang_hdl.lpddr4.timing import Lpddr4Config
from dojang_sim.lpddr4 import Command
from dojang_sim.lpddr4.devicespec import memspec_of
from dojang_sim.lpddr4.player import Player

SPEC = memspec_of(Lpddr4Config(1600, init_divisor=1000))
DATA = random.Random(2).randbytes(32)
WORD = ((9 * 8 + 3) * 64 + 7) * 2       # row 9, bank 3, burst 7


def exchanged(options: str) -> tuple[bytes, int]:
    """`DATA` written and read back: what came, and the breaches."""
    player = Player(SPEC, options=f"continue {options}")
    player.start()
    player.step(SPEC.RCD, Command.ACT, 3, row=9)
    player.step(60, Command.WR, 3, burst=7, data=DATA)
    player.step(60, Command.RD, 3, burst=7)
    return player.bursts[-1][1] if player.bursts else b"", player.device.count("breaches")


def difference(data: bytes) -> int:
    return int.from_bytes(data, "little") ^ int.from_bytes(DATA, "little")


def test_no_fault():
    assert exchanged("") == (DATA, 0)


def test_flipped_bits():
    data, breaches = exchanged(f"flip={WORD}:5 flip={WORD + 1:#x}:127 flip={WORD + 2}:0")
    assert (difference(data), breaches) == (1 << 5 | 1 << 255, 0)


def test_dropped_command():
    """The sixth command is the ACT, the seventh the WR: the first five are those of the initialisation."""
    assert exchanged("drop=6") == (b"", 3)          # WR and RD of a closed bank, data without a write
    assert exchanged("drop=7") == (bytes(32), 1)    # data without a write


def test_dropped_command_of_a_kind():
    assert exchanged("drop=ACT:1") == exchanged("drop=6")
    assert exchanged("drop=WR:1") == exchanged("drop=7")
    assert exchanged("drop=RD:1")[0] == b""
    assert exchanged("drop=WR:2 drop=ACT:2") == (DATA, 0)


def test_lost_burst():
    assert exchanged("lose=1+1") == exchanged("lose=0+5") == (bytes(32), 0)
    assert exchanged("lose=2+5") == exchanged("lose=0+1") == (DATA, 0)


@pytest.mark.parametrize("option, expected", [
    ("lose=3", "lose=N+COUNT"),
    ("drop=WRITE:3", "a command such as drop=WR:5"),
    ("drop=WR:x", "a number from 0 to 9223372036854775807"),
    ("resets=5", "stick-from=T or reset=T"),
])
def test_options_that_are_none(option, expected, capfd):
    with pytest.raises(ValueError):
        Player(SPEC, options=option)
    assert f"option is {option}, expected" in (message := capfd.readouterr().err) and expected in message


@pytest.mark.parametrize("level", [0, 1])
def test_stuck_data_pin(level):
    data, breaches = exchanged(f"stick=dq11:{level}")
    expected = bytes(byte | 8 * level if index % 2 and level else byte & ~8 if index % 2 else byte
                     for index, byte in enumerate(DATA))
    assert (data, breaches) == (expected, 0)


def test_stuck_address_pin():
    """Even the mode registers are not what they should be."""
    for pin in range(6):
        for level in (0, 1):
            assert exchanged(f"stick=ca{pin}:{level}")[1] > 0


def test_pins_stuck_from_then_on():
    started = Player(SPEC)
    started.start()
    assert exchanged(f"stick=ca0:1 stick=dq3:0 stick-from={started.now + 10_000}") == (DATA, 0)
    at_the_read = started.now + SPEC.RCD + 60
    data, breaches = exchanged(f"stick=dq3:1 stick-from={at_the_read}")
    assert difference(data) == ~int.from_bytes(DATA, "little") & int("0008" * 16, 16) and not breaches
    assert exchanged(f"stick=ca0:1 stick-from={at_the_read}")[1] == 2      # neither half of the read is known


def test_reset_of_the_device_alone():
    """What comes after is refused."""
    started = Player(SPEC)
    started.start()
    assert exchanged(f"reset={started.now + SPEC.RCD}") == (b"", 3)         # WR, its data, RD
    assert exchanged(f"reset={started.now + SPEC.RCD + 60}") == (b"", 1)


def aged(options: str, refreshed: bool) -> tuple[bytes, int]:
    """`DATA` after eleven intervals, with or without refreshes, and the breaches."""
    player = Player(SPEC, options=f"continue {options}")
    player.start()
    player.step(SPEC.RCD, Command.ACT, 3, row=9)
    player.step(60, Command.WR, 3, burst=7, data=DATA)
    player.step(SPEC.RFCAB, Command.PREPB, 3)
    for _ in range(11):
        if refreshed:
            player.issue(player.now, Command.REFAB)
        player.run(SPEC.REFI)
    player.step(SPEC.RCD, Command.ACT, 3, row=9)
    player.step(60, Command.RD, 3, burst=7)
    return player.bursts[-1][1], player.device.count("breaches")


def test_missed_refreshes():
    """Three bits of a burst are lost, by the seed which; refreshes that the cells ignore are as good as none."""
    assert aged("", True) == (DATA, 0)
    lost, breaches = aged("", False)
    assert difference(lost).bit_count() == 3
    assert breaches == 8 * 3
    assert aged("", False)[0] == lost
    assert aged("seed=2", False)[0] != lost
    assert aged("ignore-refreshes", True) == (lost, 0)
