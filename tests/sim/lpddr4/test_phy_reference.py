"""The waveforms in docs/reference/lpddr4-phy.md are those of the code, and its commands as early as is legal."""

import re
from pathlib import Path

import pytest
from dojang_hdl.lpddr4.phy import PhyPort
from dojang_hdl.lpddr4.timing import Lpddr4Config
from dojang_sim.lpddr4 import Checker, Command, read_memspec
from dojang_sim.lpddr4.command_player import Script
from dojang_sim.lpddr4.pin_commands import PinCommand
from dojang_sim.lpddr4.serializer import read_latency

PAGE = (Path(__file__).parents[3] / "docs/reference/lpddr4-phy.md").read_text("utf-8")
MEMSPEC = read_memspec(Path(__file__).parent / "data" / "memspec_1600.json")
CONFIG = Lpddr4Config()

# (cycle, command, bank), and the cycles shown
WAVES = {
    "read": ([(0, "ACT", 0), (4, "RD", 0), (6, "RD", 0)], [0, *range(4, 16)]),
    "write": ([(0, "ACT", 0), (4, "WR", 0), (6, "WR", 0), (15, "PREPB", 0)], [0, *range(4, 12), 15]),
    "refresh": ([(0, "ACT", 3), (9, "PREPB", 3), (13, "REFPB", 3), (15, "ACT", 5), (41, "ACT", 3)],
                [0, *range(9, 17), 41]),
}


def wave(commands, shown):
    """Text of the members of `PhyPort` by cycle."""
    script, names, reads = Script(CONFIG), {}, []
    for at, name, bank in commands:
        script.issue(at * CONFIG.ratio, PinCommand(name, bank), bytes(32) if name == "WR" else b"")
        names[at] = f"{name} {bank}"
        if name == "RD":
            first = at + read_latency(CONFIG)
            reads += range(first, first + 2)
    writes = sorted(at for at, cycle in script.cycles.items() if cycle.write)
    rows = {
        "cycle": {at: at for at in shown},
        "cs, ca": names,
        "read_start": {at: 1 for at, cycle in script.cycles.items() if cycle.read_start},
        "write": {at: f"D{index // 2}" for index, at in enumerate(writes)},
        "read": {at: f"Q{index // 2}" for index, at in enumerate(reads)},
    }
    return "\n".join(f"{name:<10}" + "".join(f"{values.get(at, '.'):>8}" for at in shown)
                     for name, values in rows.items() if values)


@pytest.mark.parametrize("name", WAVES)
def test_waves(name):
    commands, shown = WAVES[name]
    text = wave(commands, shown)
    assert text in PAGE, text
    checker = Checker(MEMSPEC)
    for at, command, bank in commands:
        earliest, _ = checker.bound(Command(command), bank)
        assert checker.issue(at * CONFIG.ratio, Command(command), bank).ok
        assert at == -(-earliest // CONFIG.ratio), f"{command} is not as early as it may be"


def test_members():
    """The table has every member of `PhyPort` and its direction."""
    table = {}
    section = PAGE.partition("## PhyPort")[2].partition("## ")[0]
    for names, direction in re.findall(r"^\| (`[^|]*`) \| (in|out) \|", section, re.MULTILINE):
        table |= dict.fromkeys(re.findall(r"`(\w+)`", names), direction)
    assert table == {name: member.flow.name.lower() for name, member in PhyPort(4).members.items()}
