"""The checker agrees with every label, and no rule of the table could be weaker or stronger unnoticed."""

from collections import Counter
from dataclasses import replace

import pytest
from dojang_sim.lpddr4 import RULES, Checker, Command, Memspec, RuleTable

# Rules that the labelled traces cannot or do not show, the last command at the very first legal cycle. Written by hand
# from the conventions, for the 0533 part with a WR of 60 (at 0533 and 1600, tWTR hides tWR_RDA; from 3200 it binds).
HANDWRITTEN = {
    "tCCDMW": "0 ACT 0, 5 MWR 0, 37 MWR 0",                     # 32
    "tCCDMW_WR": "0 ACT 0, 5 WR 0, 37 MWR 0",
    "tWR_RDA": "0 ACT 0, 5 WR 0, 70 RDA 0",                     # 4 + 9 + 60 - 8 = 65
    "tRFCab_PRE": "0 REFAB 0, 75 PREPB 3",
}


def disagreement(table: RuleTable, memspec: Memspec, rows: list[tuple]) -> int | None:
    """Number of the first line whose verdict or earliest time differs from its label."""
    checker = Checker(memspec, table)
    for number, (time, command, bank, earliest, ok) in enumerate(rows):
        verdict = checker.issue(time, command, bank)
        if verdict.ok != ok or verdict.earliest != earliest:
            return number
    return None


def changed(name: str, distance: int | None) -> RuleTable:
    """The rules with one timing rule longer by ``distance``, or without it (None)."""
    return replace(RULES, timing=tuple(
        replace(rule, distance=f"{rule.distance} + {distance}".replace("+ -", "- ")) if rule.name == name else rule
        for rule in RULES.timing if distance is not None or rule.name != name))


def noticed(table: RuleTable, name: str, labelled: dict, slow: Memspec) -> bool:
    if any(disagreement(table, *trace) is not None for trace in labelled.values()):
        return True
    if name not in HANDWRITTEN:
        return False
    words = [entry.split() for entry in HANDWRITTEN[name].split(", ")]
    rows = [(int(time), Command(command), int(bank), int(time), True) for time, command, bank in words]
    time, command, bank, _, _ = rows.pop()
    rows += [(time - 1, command, bank, time, False), (time, command, bank, time, True)]
    memspec = replace(slow, WR=60)
    assert disagreement(RULES, memspec, rows) is None
    return disagreement(table, memspec, rows) is not None


@pytest.mark.parametrize("speed", ["0533", "1600"])
def test_every_label(labelled, speed):
    memspec, rows = labelled[speed]
    assert len(rows) == 20_000
    assert disagreement(RULES, memspec, rows) is None


@pytest.mark.parametrize("distance", [None, -1, 1], ids=["removed", "shorter", "longer"])
@pytest.mark.parametrize("name", [rule.name for rule in RULES.timing])
def test_timing_rule_matters(labelled, slow, name, distance):
    assert noticed(changed(name, distance), name, labelled, slow)


@pytest.mark.parametrize("change", [{"count": 3}, {"count": 5}, {"span": "FAW - 1"}, {"span": "FAW + 1"},
                                    {"commands": (Command.ACT,)}, {"commands": (Command.REFPB,)}])
def test_window_rule_matters(labelled, slow, change):
    (window,) = RULES.windows
    assert noticed(replace(RULES, windows=(replace(window, **change),)), "", labelled, slow)


@pytest.mark.parametrize("command", list(Command))
def test_state_rule(slow, command):
    """Closed and open banks, and which commands each allows; a wait does not help, another command does."""
    closed, opened, other = Checker(slow), Checker(slow), Checker(slow)
    opened.issue(0, Command.ACT, 2)
    other.issue(0, Command.ACT, 3)
    results = [checker.issue(1000, command, 2) for checker in (closed, opened, other)]
    wanted = {"ACT": (1, 0, 1), "REFPB": (1, 0, 1), "REFAB": (1, 0, 0)}
    column = command.startswith(("RD", "WR", "MWR"))
    assert tuple(result.ok for result in results) == wanted.get(command, (0, 1, 0) if column else (1, 1, 1))
    for result in results:
        if not result.ok:
            assert result.earliest is None
            assert result.rule == ("OPEN" if column else "CLOSED")


def test_names_are_unique():
    counts = Counter(rule.name for rule in (*RULES.states, *RULES.timing, *RULES.windows))
    assert set(counts.values()) == {1}
    assert set(HANDWRITTEN) <= set(counts)
