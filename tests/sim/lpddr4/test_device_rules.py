"""Rules of a whole device: every pair of commands that they time, and no rule that could change unnoticed."""

from dataclasses import replace

import pytest
from dojang_hdl.lpddr4.initialise import mode_registers
from dojang_hdl.lpddr4.timing import Lpddr4Config
from dojang_sim.lpddr4 import RULES, Checker, Command
from dojang_sim.lpddr4.commands import Event
from dojang_sim.lpddr4.device_rules import DEVICE_RULES, OBSERVED
from dojang_sim.lpddr4.devicespec import memspec_of

SPEC = memspec_of(Lpddr4Config(3200, init_divisor=1000))
STATELESS = replace(DEVICE_RULES, states=())
DEVICE_TIMING = DEVICE_RULES.timing[len(RULES.timing):]

FOUR = "ACT RD RDA WR WRA MWR MWRA MRW MRR"
TWO = "PREPB PREAB REFPB REFAB ZQCAL_START ZQCAL_LATCH"

# First legal tCK of a command after one at 0, worked out by hand for 3200 Mb/s: 1.6 clocks are a nanosecond.
PAIRS = {
    ("MRW", FOUR): 23, ("MRW", TWO): 25,                                # 14 ns
    ("MRR", "RD RDA MRR"): 8, ("MRR", "WR WRA MWR MWRA"): 30, ("MRR", "MRW"): 45,     # 28 + 6 + 8 + 3
    ("RD RDA", "MRR"): 8, ("RD", "MRW"): 54, ("RDA", "MRW"): 58,        # 28 + 6 + 8 + 12, and 12 - 8
    ("WR WRA MWR MWRA", "MRR"): 39, ("WR MWR", "MRW"): 35, ("WRA MWRA", "MRW"): 65,     # 14 + 1 + 8 + 16; + 12, + 30
    ("RD RDA MRR", "ZQCAL_LATCH"): 44, ("WR WRA MWR MWRA", "ZQCAL_LATCH"): 25,          # + 2: the latch is shorter
    ("ZQCAL_START", "ZQCAL_START ZQCAL_LATCH"): 1600,
    ("ZQCAL_LATCH", FOUR): 46, ("ZQCAL_LATCH", TWO): 48,                # 30 ns
    ("RESET_LOW", "RESET_HIGH"): 320, ("CKE_LOW", "RESET_HIGH"): 16, ("RESET_HIGH", "CKE_HIGH"): 3200,
    ("CKE_HIGH", f"{FOUR} {TWO}"): 3200,
}
EXPECTED = {(before, after): value for (firsts, thens), value in PAIRS.items() for before in firsts.split()
            for after in thens.split()}


# With MR11 terminating DQ: 28 + 6 + 8 - ODTLon 6 - 2 (1.5 ns, rounded down) + 1.
TERMINATED = {(before, after): 35 for before in ("RD", "RDA", "MRR") for after in ("WR", "WRA", "MWR", "MWRA")}
ALL = EXPECTED | {(*pair, "terminated"): gap for pair, gap in TERMINATED.items()}


def bounds(table) -> dict:
    """What binds after each command alone, for the pairs of `EXPECTED`, and of `TERMINATED` with MR11 written."""
    found = {}
    for before, after in TERMINATED:
        checker = Checker(SPEC, table)
        checker.write_mode(11, 0x04)
        checker.issue(0, Command[before], 0)
        found[before, after, "terminated"] = checker.bound(Command[after], 3)[0]
    for before in {before for before, _ in EXPECTED}:
        checker = Checker(SPEC, table)
        checker.issue(0, (Event if before in Event.__members__ else Command)[before], 0)
        for after in [after for first, after in EXPECTED if first == before]:
            code = (Event if after in Event.__members__ else Command)[after]
            found[before, after] = checker.bound(code, 3)[0]
    return found


def test_pairs():
    assert bounds(STATELESS) == ALL


@pytest.mark.parametrize(("writes", "gap"), [
    ([], 30), ([(11, 0x06)], 35), ([(11, 0x40)], 30), ([(11, 0x07), (11, 0x00)], 30), ([(12, 0x07)], 30),
    ([(11, 0x01), (2, 0)], 35)])
def test_termination_is_what_was_last_written(writes, gap):
    """DQ's bits of MR11, not CA's; the later write counts."""
    checker = Checker(SPEC, STATELESS)
    for register, operand in writes:
        checker.write_mode(register, operand)
    checker.issue(0, Command.RD, 0)
    assert checker.bound(Command.WR, 5) == (gap, "tRTW" if gap == 30 else "tRTW_ODT")


@pytest.mark.parametrize(("rate", "gap"), [     # worked out by hand
    (533, 6 + 1 + 8 + 1), (1600, 14 + 3 + 8 - 1 + 1),       # no ODTLon: counts as 0
    (2133, 20 + 4 + 8 - 4 - 1 + 1), (2667, 24 + 5 + 8 - 4 - 2 + 1), (3733, 32 + 7 + 8 - 6 - 2 + 1),
    (4266, 36 + 8 + 8 - 8 - 3 + 1)])
def test_read_to_write_with_termination(rate, gap):
    checker = Checker(memspec_of(Lpddr4Config(rate)), STATELESS)
    checker.write_mode(11, 0x04)
    checker.issue(0, Command.RD, 0)
    assert checker.bound(Command.MWR, 5) == (gap, "tRTW_ODT")


@pytest.mark.parametrize("distance", [None, -1, 1], ids=["removed", "shorter", "longer"])
@pytest.mark.parametrize("name", [rule.name for rule in DEVICE_TIMING])
def test_timing_rule_matters(name, distance):
    changed = tuple(
        replace(rule, distance=f"{rule.distance} + {distance}".replace("+ -", "- ")) if rule.name == name else rule
        for rule in DEVICE_RULES.timing if distance is not None or rule.name != name)
    assert bounds(replace(STATELESS, timing=changed)) != ALL


def test_mode_fields_cover_their_registers():
    """Every bit of a register that may be written is of one field."""
    masks: dict[int, list[int]] = {}
    for field in DEVICE_RULES.modes:
        masks.setdefault(field.bits.register, []).append(field.bits.mask)
    assert set(masks) == {1, 2, 3, 10, 11, 12, 13, 14}
    assert all(sum(of_register) == 0xFF for of_register in masks.values())


@pytest.mark.parametrize("rate", [133, 533, 1600, 2133, 3200, 4266])
def test_initialisation_writes_what_the_model_stands_for(rate):
    config = Lpddr4Config(rate)
    spec = memspec_of(config)
    for register, operand in mode_registers(config).items():
        fields = [field for field in DEVICE_RULES.modes if field.bits.register == register]
        assert fields
        for field in fields:
            value = (operand & field.bits.mask) >> field.bits.low
            least, most = (getattr(spec, name) if name.isidentifier() else int(name)
                           for name in (field.least, field.most))
            assert least <= value <= most, field.name


def test_names_are_unique():
    tables = (*DEVICE_RULES.states, *DEVICE_RULES.timing, *DEVICE_RULES.windows, *DEVICE_RULES.conditions,
              *DEVICE_RULES.modes, DEVICE_RULES.refresh, DEVICE_RULES.burst, DEVICE_RULES.row_open,
              DEVICE_RULES.calibration)
    names = [rule.name for rule in tables] + list(OBSERVED)
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(("rate", "values"), [     # figures of the sources, in tCK
    (1600, {"RCD": 15, "RPPB": 15, "RPAB": 17, "RAS": 34, "RRD": 8, "FAW": 32, "WTR": 8, "WR": 15, "RTP": 8, "RL": 14,
            "WL": 8, "REFI": 3123, "RAS_MAX": 56160, "ZQINT": 25_600_000}),
    (3200, {"RCD": 29, "RPPB": 29, "RPAB": 34, "RAS": 68, "RRD": 16, "FAW": 64, "WTR": 16, "WR": 29, "RTP": 12,
            "RL": 28, "WL": 14, "REFI": 6246}),
])
def test_device_spec(rate, values):
    spec = memspec_of(Lpddr4Config(rate))
    assert {name: getattr(spec, name) for name in values} == values
    assert (spec.INIT1, spec.INIT3, spec.INIT5) == (rate * 100, rate * 1000, rate)      # 200 µs, 2 ms, 2 µs
    assert memspec_of(Lpddr4Config(rate, init_divisor=100)).INIT3 == rate * 10
