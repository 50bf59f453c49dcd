"""The real controller at the pins of LiteDRAM's model, random accesses to few rows."""

import random
from importlib.util import find_spec

import pytest
from dojang_hdl.lpddr4.timing import Lpddr4Config
from dojang_sim.lpddr4.port_script import PortCommand, PortScript
from dojang_sim.lpddr4.second_opinion import second_opinion

pytestmark = pytest.mark.skipif(find_spec("litedram") is None, reason="litedram is not installed (extra test)")

CONFIG = Lpddr4Config(rate=1600, init_divisor=1000)
REGIONS = (0, 5000, 3 * 1024)       # two of them in one bank
WORD = (1 << 128) - 1


def random_commands(count: int, seed: int) -> list[PortCommand]:
    """Reads with what they must give: the memory begins with zeros."""
    rng, memory, commands = random.Random(seed), {}, []
    for _ in range(count):
        addr = rng.choice(REGIONS) + rng.randrange(300)
        length = rng.choice((1, 1, 2, 3, rng.randrange(1, 100)))
        if rng.random() < 0.5:
            words = [rng.getrandbits(128) for _ in range(length)]
            masks = [0xFFFF if rng.random() < 0.7 else rng.getrandbits(16) for _ in range(length)]
            for place, data, mask in zip(range(addr, addr + length), words, masks, strict=True):
                written = sum(0xFF << 8 * byte for byte in range(16) if mask >> byte & 1)
                memory[place] = memory.get(place, 0) & ~written & WORD | data & written
            commands.append(PortCommand(addr, words, masks))
        else:
            commands.append(PortCommand(addr, [memory.get(place, 0) for place in range(addr, addr + length)]))
    return commands


def test_controller_and_litedram_agree():
    opinion = second_opinion(PortScript(CONFIG, random_commands(120, 5)), CONFIG, cycles=40_000)
    assert opinion.problems == []
    kinds = {command.name for _, command in opinion.commands}
    assert kinds >= {"ACT", "RD", "WR", "MWR", "PREPB", "REFPB", "MRW", "MPC"}
    assert len(opinion.reads) > 200 and opinion.false_alarms[0] > 10


@pytest.mark.slow     # a build of its own
def test_a_wrong_word_is_noticed():
    commands = [PortCommand(7, [1], [0xFFFF]), PortCommand(7, [2])]
    with pytest.raises(RuntimeError, match="not done"):
        second_opinion(PortScript(CONFIG, commands), CONFIG, cycles=4_000)
