"""The compiled rules say of every command what the Python checker says: verdict, earliest and rule."""

import random
from dataclasses import asdict

import pytest
from dojang_hdl.lpddr4.timing import Lpddr4Config
from dojang_sim.lpddr4 import Checker, Command
from dojang_sim.lpddr4.binding import CompiledChecker
from dojang_sim.lpddr4.commands import Event
from dojang_sim.lpddr4.compiled import CODES, device_source, rule_table
from dojang_sim.lpddr4.device_rules import DEVICE_RULES
from dojang_sim.lpddr4.devicespec import DeviceSpec, memspec_of
from dojang_sim.lpddr4.player import Player

RATES = (533, 1066, 1600, 3200, 4266)


@pytest.mark.parametrize("speed", ["0533", "1600"])
def test_labelled_traces(labelled, speed):
    memspec, rows = labelled[speed]
    spec = DeviceSpec(**asdict(memspec_of(Lpddr4Config(int(speed)))) | asdict(memspec))
    compiled, checker = CompiledChecker(spec), Checker(memspec)
    for time, command, bank, earliest, ok in rows:
        verdict = compiled.issue(time, command, bank)
        assert verdict == checker.issue(time, command, bank)
        assert verdict[:2] == (ok, earliest)


def random_commands(checker: Checker, rng: random.Random, codes, weights, count: int):
    """Commands around the first legal tCK of each, as ``checker`` stands when each is taken."""
    now = 0
    for _ in range(count):
        (code,), bank = rng.choices(codes, weights), rng.randrange(8)
        earliest, _ = checker.bound(code, bank)
        if earliest is None and rng.random() < 0.9:
            continue
        now = max(now, (earliest or 0) + rng.choice((-3, -2, -1, -1, 0, 0, 0, 1, 5)))
        yield now, code, bank


@pytest.mark.parametrize("density", [4, 8, 16])
@pytest.mark.parametrize("rate", RATES)
def test_random_commands(rate, density):
    """Bank commands mostly; mode registers, calibration and edges of signals seldom, as their waits are long."""
    spec = memspec_of(Lpddr4Config(rate, density, init_divisor=1000))
    compiled, checker = CompiledChecker(spec), Checker(spec, DEVICE_RULES)
    rng = random.Random(rate + density)
    weights = [0.02 if code in Event or code.startswith("ZQ") else 0.3 if code.startswith(("MR", "REF")) else 1
               for code in CODES]
    rules = set()
    for time, code, bank in random_commands(checker, rng, CODES, weights, 8_000):
        verdict = checker.issue(time, code, bank)
        assert compiled.issue(time, code, bank) == verdict, (time, code, bank)
        if not verdict.ok:
            rules.add(verdict.rule)
        elif code is Command.MRW:
            operand = rng.choice((0, 4))        # DQ termination
            checker.write_mode(11, operand), compiled.write_mode(11, operand)
    assert "tRTW_ODT" in rules
    assert len(rules) > 30, "the sequence must break most rules"


@pytest.mark.parametrize("rate", RATES)
def test_random_commands_at_the_pins(rate):
    """Through command/address pins, decoder and data: the breaches reported are those of the checker, line by line."""
    spec = memspec_of(Lpddr4Config(rate, init_divisor=1000))
    player = Player(spec, options="continue")
    player.start()
    checker, rng, origin = Checker(spec, DEVICE_RULES), random.Random(rate), player.now
    expected, free, due = [], 0, []     # lines; first clock with a free bus; bursts that must come
    codes = [code for code in Command if not code.startswith(("ZQ", "REFPB"))]     # they have conditions besides
    weights = [{"ACT": 3, "MRW": 0.1, "PREPB": 0.5, "PREAB": 0.05, "REFAB": 0.02}.get(code, 1) for code in codes]
    for time, command, bank in random_commands(checker, rng, codes, weights, 12_000):
        if time < free or time > 8 * spec.REFI:
            continue
        free = time + (2 if command.startswith(("PRE", "REF")) else 4)
        verdict = checker.issue(time, command, bank)
        data = rng.randbytes(32) if verdict.ok and "W" in command and command != "MRW" else b""
        operand = rng.choice((0, 4))            # DQ termination
        if verdict.ok and command is Command.MRW:
            checker.write_mode(11, operand)
        player.issue(origin + time, command, bank, data=data, register=11, operand=operand)
        if verdict.ok and command in ("RD", "RDA", "MRR"):
            due.append(origin + time + 3 + spec.RL + spec.DQSCK)
        if not verdict.ok:
            shown = "-" if command in ("PREAB", "REFAB", "MRW", "MRR") else bank
            earliest = "-" if verdict.earliest is None else origin + verdict.earliest
            expected.append(f"lpddr4 channel 0: t={origin + time} {command} bank {shown}: rule {verdict.rule}, "
                            f"earliest {earliest}")
    player.run(free + 200)
    assert player.device.breaches() == expected
    assert [time for time, _ in player.bursts] == due
    assert len(expected) > 100
    assert len(due) > 50


def test_source_follows_the_table(tmp_path, monkeypatch):
    """Another table is another source, so that no build is out of date."""
    monkeypatch.setenv("DOJANG_CACHE", str(tmp_path))
    assert "return spec.RL + spec.DQSCK + spec.BURST - spec.WL + spec.WPRE + spec.RPST;" in rule_table()
    assert device_source() == device_source()
    assert device_source(DEVICE_RULES) != device_source(
        DEVICE_RULES.__class__(**vars(DEVICE_RULES) | {"windows": ()}))
