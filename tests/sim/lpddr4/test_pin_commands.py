"""Commands on the command pins, by hand and there and back again; LiteDRAM's opinion is in test_second_opinion."""

import random

import pytest
from dojang_sim.lpddr4.pin_commands import CalibrationCode, PinCommand, PinDecoder

# CA5 to CA0 of each clock, worked out from the truth table of JESD209-4.
BY_HAND = [
    (PinCommand("ACT", bank=5, row=0x1_A35F), "101001 001101 110111 011111"),
    (PinCommand("RD", bank=2, column=0x2A0), "000010 010010 010010 101000"),
    (PinCommand("MWRA", bank=7, column=0x150), "001100 100111 110010 010100"),
    (PinCommand("PREAB"), "110000 000000"),
    (PinCommand("REFPB", bank=6), "001000 000110"),
    (PinCommand("MRW", ma=14, op=0xCD), "100110 001110 110110 001101"),
    (PinCommand("MPC", op=CalibrationCode.LATCH), "100000 010001"),
]


@pytest.mark.parametrize(("command", "bits"), BY_HAND, ids=lambda value: getattr(value, "name", ""))
def test_by_hand(command, bits):
    expected = [(1 - clock % 2, int(word, 2)) for clock, word in enumerate(bits.split())]
    assert command.encode() == expected


def decoded(decoder, time, clocks):
    return [decoder.half(time + at, clocks[at][1], clocks[at + 1][1]) for at in range(0, len(clocks), 2)]


def test_there_and_back_again():
    rng, decoder = random.Random(1), PinDecoder()
    for time in range(0, 4000, 4):
        name = rng.choice("ACT RD RDA WR WRA MWR MWRA PREPB REFPB MRW MRR MPC".split())
        has = {"ACT": ("bank", "row"), "MRW": ("ma", "op"), "MRR": ("ma",), "MPC": ("op",), "PREPB": ("bank",),
               "REFPB": ("bank",)}.get(name, ("bank", "column"))
        widths = {"bank": 3, "row": 17, "column": 10, "ma": 6, "op": 7 if name == "MPC" else 8}
        command = PinCommand(name, **{field: rng.getrandbits(widths[field]) for field in has})
        if "column" in has:
            command = PinCommand(name, bank=command.bank, column=command.column & ~3)   # C0 and C1 are not on the pins
        *first, last = decoded(decoder, time, command.encode())
        if name == "MRR":       # its CAS-2 has no meaning, and no column to give
            assert last[1].ma == command.ma
        else:
            assert first in ([], [None])
            assert last == (time, command)


@pytest.mark.parametrize(("halves", "message"), [
    ([(0, 0b011100, 0)], "CA 011100 000000 at t=0 is no command"),
    ([(4, 0b010010, 0)], "CA 010010 000000 at t=4 is CAS-2 without its first half"),
    ([(4, 0b000001, 0), (6, 0b010010, 0)], "CA 010010 000000 at t=6 is CAS-2, expected ACT-2 at t=6"),
    ([(4, 0b000001, 0), (8, 0b000011, 0)], "CA 000011 000000 at t=8 is ACT-2, expected ACT-2 at t=6"),
])
def test_refused(halves, message):
    decoder = PinDecoder()
    with pytest.raises(ValueError, match=message):
        for half in halves:
            decoder.half(*half)
    assert decoder.half(20, 0b010000, 3) == (20, PinCommand("PREPB", bank=3)), "goes on after it"
