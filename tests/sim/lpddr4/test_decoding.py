import random

import pytest
from dojang_sim.lpddr4 import Command
from dojang_sim.lpddr4.decoding import Decoded, decode
from dojang_sim.lpddr4.encoding import encode


@pytest.mark.parametrize("command", Command)
def test_encoded_commands_come_back(command):
    rng = random.Random(command)
    for _ in range(50):
        bank, row = rng.randrange(8), rng.randrange(1 << 17)
        burst = rng.randrange(64) if command is not Command.MRR else 0      # its column means nothing
        register, operand = rng.randrange(64), rng.randrange(256)
        edges = encode(command, bank, row=row, burst=burst, register=register, operand=operand)
        clock = rng.randrange(4)
        ca, cs = zip(*([(rng.randrange(64), False)] * clock + edges + [(rng.randrange(64), False)] * 3), strict=True)
        found, = decode(ca, cs)
        assert (found.clock, found.command) == (clock, command)
        # An operand is there as it was given, or the command has none and it is 0.
        assert found.row in (0, row) and found.bank in (0, bank) and found.column in (0, burst << 4)
        assert found.register in (0, register) and found.operand in (0, operand)


def test_two_commands_and_their_operands():
    edges = [*encode(Command.ACT, 5, row=0x1A2B3), (0, False), *encode(Command.MRW, register=13, operand=0xA5),
             *encode(Command.PREAB)]
    assert decode(*zip(*edges, strict=True)) == [
        Decoded(0, Command.ACT, bank=5, row=0x1A2B3), Decoded(5, Command.MRW, register=13, operand=0xA5),
        Decoded(9, Command.PREAB)]


@pytest.mark.parametrize("ca, cs", [
    ([0b010010, 0], [1, 0]),                    # a CAS-2 on its own
    ([0b000001, 0], [1, 0]),                    # half an activation
    ([0b010000, 0], [1, 1]),                    # chip select in the second clock
    ([0b001010, 0, 0, 0], [1, 0, 0, 0]),        # not in the table
])
def test_no_command(ca, cs):
    with pytest.raises(ValueError, match="from clock 0 on, expected a command$"):
        decode(ca, cs)
