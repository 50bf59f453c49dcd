"""LiteDRAM's model on command sequences at the PHY boundary: it agrees with legal ones and objects to others."""

import random
from importlib.util import find_spec
from pathlib import Path

import pytest
from dojang_hdl.lpddr4.timing import BANKS, BURST_BYTES, PAGE_BURSTS, Lpddr4Config
from dojang_sim.lpddr4 import Checker, Command, read_memspec
from dojang_sim.lpddr4.command_player import Script, play
from dojang_sim.lpddr4.litedram_model import litedram_verilog
from dojang_sim.lpddr4.pin_commands import PinCommand

pytestmark = pytest.mark.skipif(find_spec("litedram") is None, reason="litedram is not installed (extra test)")

FAST, WIDE = Lpddr4Config(rate=1600, init_divisor=1000), Lpddr4Config(rate=1600, ratio=8, init_divisor=1000)
SLOW = Lpddr4Config(rate=1066, init_divisor=1000)
TRUE_WAITS = Lpddr4Config(rate=1600)
DATA = Path(__file__).parent / "data"
ROW_BITS = 17


class LegalScript:
    """Puts each command where the rules first allow it."""

    def __init__(self, config, rng=None):
        self.script, self.rng, self.config = Script(config), rng or random.Random(1), config
        self.time = self.script.initialise()
        self.checker = Checker(read_memspec(DATA / "memspec_1600.json"))    # stricter in tCK than slower rates need
        self.last_write = [0] * BANKS
        self.open: set[int] = set()

    def add(self, name, bank=0, **fields):
        """Returns the data of a write."""
        rule = Command(name.replace("MWR", "WR"))       # the rules of the trace checker do not know masked writes
        write = BURST_BYTES if "WR" in name else 0
        earliest, why = self.checker.bound(rule, bank)
        assert earliest is not None, (name, bank, why)
        time = max(self.time, earliest, self.last_write[bank] + 32 if "MWR" in name else 0)
        if "column" in fields:
            time += -time % self.config.ratio
        assert self.checker.issue(time, rule, bank).ok
        if write:
            self.last_write[bank] = time
        data = self.rng.randbytes(write)
        mask = self.rng.getrandbits(BURST_BYTES) if "MWR" in name else 0
        self.script.issue(time, PinCommand(name, bank, **fields), data, mask)
        self.time = time
        if name == "ACT":
            self.open.add(bank)
        elif name in ("PREAB", "PREPB") or name.endswith("A"):
            self.open -= {bank} if name != "PREAB" else set(range(BANKS))
        return data


def random_script(config, count):
    """Commands of every kind on few rows and bursts, so that reads meet what was written and masked there."""
    legal = LegalScript(config, random.Random(config.ratio))
    rng = legal.rng
    rows = [rng.getrandbits(ROW_BITS) for _ in range(2)]
    columns = [16 * burst for burst in (0, 37, PAGE_BURSTS - 1)]
    needed = 0
    for _ in range(count):
        bank = rng.randrange(BANKS)
        if bank not in legal.open:
            name = rng.choice(("ACT", "ACT", "ACT", "REFPB"))
            needed += name == "REFPB" and bool(legal.open)
            row = rng.choice((*rows, rng.getrandbits(ROW_BITS)))
            legal.add(name, bank, row=row if name == "ACT" else 0)
        elif rng.random() < 0.1:
            legal.add("PREPB", bank)
        elif rng.random() < 0.02:
            legal.add("PREAB")
            legal.add("REFAB")
        else:
            for _ in range(rng.randrange(4)):
                legal.add(rng.choice(("RD", "WR", "MWR")), bank, column=rng.choice(columns))
            legal.add(rng.choice(("RDA", "WRA", "MWRA")), bank, column=rng.choice(columns))
    return legal.script, needed


def test_every_kind_of_command():
    """The data that is read back is written out here, not taken from the bench."""
    legal = LegalScript(FAST)
    legal.add("ACT", 5, row=0x1A2B)
    first = [legal.add("WR", 5, column=16 * burst) for burst in (0, 1, 62, 63)]
    legal.add("ACT", 2, row=3)
    last = legal.add("WRA", 2, column=0x150)
    for burst in (0, 1, 62, 63):
        legal.add("RD", 5, column=16 * burst)
    legal.add("MWR", 5, column=0)
    legal.add("REFPB", 2)       # bank 5 is open: a false alarm
    legal.add("RDA", 5, column=0)
    legal.add("REFPB", 5)       # all closed: none
    legal.add("ACT", 2, row=3)
    legal.add("RD", 2, column=0x150)
    legal.add("PREPB", 2)
    legal.add("PREAB")
    legal.add("REFAB")
    opinion = play(legal.script)
    assert opinion.problems == []
    assert opinion.reads[:4] == first and opinion.reads[5] == last
    assert opinion.false_alarms == (1, 1)
    assert [command.name for _, command in opinion.commands[9:]] == [
        "ACT", "WR", "WR", "WR", "WR", "ACT", "WRA", "RD", "RD", "RD", "RD", "MWR", "REFPB", "RDA", "REFPB",
        "ACT", "RD", "PREPB", "PREAB", "REFAB"]


def test_masked_bytes_stay():
    script = Script(FAST)
    time = script.initialise()
    time += -time % FAST.ratio
    old, new = bytes(range(32)), bytes(range(100, 132))
    mask = 0xF0F0_5A01
    script.issue(time, PinCommand("ACT", bank=1, row=9))
    script.issue(time + 20, PinCommand("WR", bank=1, column=32), old)
    script.issue(time + 52, PinCommand("MWR", bank=1, column=32), new, mask)
    script.issue(time + 100, PinCommand("RD", bank=1, column=32))
    opinion = play(script)
    assert opinion.problems == []
    assert opinion.reads == [bytes(old[i] if mask >> i & 1 else new[i] for i in range(32))]


@pytest.mark.parametrize("config", [
    FAST, pytest.param(WIDE, marks=pytest.mark.slow), pytest.param(SLOW, marks=pytest.mark.slow)],
                         ids=lambda config: f"{config.rate}-{config.ratio}")
def test_random_commands(config):
    script, needed = random_script(config, 600)
    opinion = play(script)
    assert opinion.problems == []
    assert opinion.false_alarms == (needed, needed) and needed > 10
    assert len(set(opinion.reads)) > 50


@pytest.mark.slow
def test_true_power_up_waits():
    script, _ = random_script(TRUE_WAITS, 10)
    assert play(script).problems == []


def commands(*steps):
    """A script of (tCK after the command before, command, data) after initialisation."""
    script = Script(FAST)
    time = script.initialise()
    time += -time % FAST.ratio
    for wait, command, *write in steps:
        time += wait
        script.issue(time, command, *write)
    return script


def flip_ca(script, name, clock, bit):
    """Invert one CA bit of the command ``name``, the last in ``script``."""
    phases = [(at, phase) for at, cycle in sorted(script.cycles.items()) for phase in sorted(cycle.phases)]
    at, phase = phases[len(PinCommand(name).encode()) * -1 + clock]
    cs, ca = script.cycles[at].phases[phase]
    script.cycles[at].phases[phase] = cs, ca ^ 1 << bit
    return script


def late_data():
    """Write data a controller cycle late."""
    script = commands((0, ACT), (20, WRITE, bytes(range(32))), (40, READ))
    late = sorted(at for at, cycle in script.cycles.items() if cycle.write)
    for at in reversed(late):
        cycle = script.cycles[at]
        following = script.cycles.setdefault(at + 1, type(cycle)())
        following.write, following.mask, cycle.write, cycle.mask = cycle.write, cycle.mask, [], []
    return script


def early_commands():
    script = Script(FAST)
    script.initialise()
    moved = {at: cycle for at, cycle in script.cycles.items() if cycle.phases}
    script.cycles = {at: cycle for at, cycle in script.cycles.items() if at not in moved}
    script.cycles |= {at - 300: cycle for at, cycle in moved.items()}
    return script


ACT = PinCommand("ACT", bank=4, row=77)
WRITE, READ = PinCommand("WR", bank=4), PinCommand("RD", bank=4)
DATA_MASK_OFF = PinCommand("MRW", ma=13, op=1 << 5)


@pytest.mark.parametrize(("make", "said"), [
    (lambda: commands((0, READ)), "CAS command on inactive bank"),
    (lambda: commands((0, ACT), (80, PinCommand("ACT", bank=4, row=78))), "ACT on already active bank"),
    (lambda: commands((0, ACT), (80, PinCommand("REFAB"))), "Not all banks precharged"),
    (lambda: commands((0, ACT), (80, PinCommand("REFPB", bank=4))), "Not all banks precharged"),
    (lambda: commands((0, ACT), (80, PinCommand("REFPB", bank=2)), (200, PinCommand("REFAB"))), "Not all banks"),
    (lambda: commands((0, DATA_MASK_OFF), (20, ACT), (20, PinCommand("MWR", bank=4), bytes(32))), "MASKED-WRITE but"),
    (lambda: commands((0, PinCommand("PREPB", bank=4))), "PRE on inactive bank"),
    (lambda: flip_ca(commands((0, ACT), (20, READ)), "RD", 2, 4), "Waiting for CAS-2"),
    (lambda: flip_ca(commands((0, ACT), (20, WRITE, bytes(32))), "WR", 3, 1), "must be aligned to full burst"),
    (lambda: flip_ca(commands((0, PinCommand("MRW"))), "MRW", 0, 3), "Unexpected command"),
    (late_data, "read burst 0"),
    (early_commands, "LiteDRAM understood"),
])
def test_objections(make, said):
    problems = play(make()).problems
    assert any(said in problem for problem in problems), problems


def test_rates_beyond_the_model():
    with pytest.raises(ValueError, match="rate=3200 means RL 28, expected at most 18"):
        litedram_verilog(Lpddr4Config(rate=3200))


def test_a_driver_that_is_not_done_in_time():
    with pytest.raises(RuntimeError, match="not done after 50 controller cycles"):
        play(commands((0, ACT)), cycles=50)
