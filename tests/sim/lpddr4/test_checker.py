"""Every pair of commands against the conventions, the engine against a search of the whole history, properties."""

from copy import deepcopy
from dataclasses import replace

import pytest
from dojang_sim.lpddr4 import ALL_BANK, BUS_CLOCKS, RULES, Checker, Command, Scope, clocks
from hypothesis import given, settings
from hypothesis import strategies as st

# LPDDR4-3200, 8 Gb: neither of the labelled parts; but with an nRTP that is not tRTP.
FAST = {"RCD": 29, "RPPB": 29, "RPAB": 34, "RAS": 68, "RCPB": 97, "RRD": 16, "FAW": 64, "WTR": 16, "WR": 29, "RTP": 12,
        "NWR": 30, "NRTP": 14, "RL": 28, "WL": 14, "DQSCK": 6, "RFCPB": 224, "RFCAB": 448}

# First legal tCK of a command after one at 0, at that part, in the same and in another bank: the conventions worked out
# by hand. Where nothing else binds, the bus does (4 or 2).
PAIRS = {
    ("ACT", "ACT"): (97, 16), ("ACT", "RD WR RDA WRA MWR MWRA"): (29, 4),
    ("ACT", "PREPB"): (70, 4), ("ACT", "PREAB"): (70, 70), ("ACT", "REFPB"): (99, 18), ("ACT", "REFAB"): (99, 99),
    ("RD RDA", "RD RDA"): (8, 8), ("RD RDA", "WR WRA MWR MWRA"): (30, 30),      # 28 + 6 + 8 - 14 + 2 + 0
    ("RD", "PREPB"): (14, 4), ("RD", "PREAB"): (14, 14), ("RDA", "PREPB"): (16, 4), ("RDA", "PREAB"): (16, 16),
    ("RDA", "ACT"): (43, 4), ("RDA", "REFPB"): (45, 4), ("RDA", "REFAB"): (45, 45),
    ("WR WRA MWR MWRA", "WR WRA"): (8, 8), ("WR WRA MWR MWRA", "MWR MWRA"): (32, 8),
    ("WR WRA MWR MWRA", "RD"): (39, 39), ("WRA MWRA", "RDA"): (39, 39),         # 14 + 1 + 8 + 16
    ("WR MWR", "RDA"): (39, 39),                                                # or (14 + 9 + 29 + 2) - (14 + 2)
    ("WR MWR", "PREPB"): (54, 4), ("WR MWR", "PREAB"): (54, 54),
    ("WRA MWRA", "PREPB"): (55, 4), ("WRA MWRA", "PREAB"): (55, 55),
    ("WRA MWRA", "ACT"): (82, 4), ("WRA MWRA", "REFPB"): (84, 4), ("WRA MWRA", "REFAB"): (84, 84),
    ("PREPB", "ACT"): (27, 2), ("PREPB", "PREPB PREAB"): (4, 4), ("PREPB", "REFPB"): (29, 2),
    ("PREPB", "REFAB"): (29, 29),
    ("PREAB", "ACT"): (32, 32), ("PREAB", "PREPB PREAB"): (4, 4), ("PREAB", "REFPB REFAB"): (34, 34),
    ("REFPB", "ACT"): (222, 14), ("REFPB", "PREPB"): (224, 2), ("REFPB", "PREAB REFPB REFAB"): (224, 224),
    ("REFAB", "ACT"): (446, 446), ("REFAB", "PREPB PREAB REFPB REFAB"): (448, 448),
}
EXPECTED = {(first, then): value for (firsts, thens), value in PAIRS.items() for first in firsts.split()
            for then in thens.split()}


@pytest.mark.parametrize("before", list(Command))
def test_pairs(slow, before):
    memspec, stateless = replace(slow, **FAST), replace(RULES, states=())
    checker = Checker(memspec, stateless)
    checker.issue(0, before, 4)
    for after in Command:
        bus = BUS_CLOCKS[before]
        bounds = tuple(checker.bound(after, bank)[0] for bank in (4, 5))
        assert bounds == EXPECTED.get((before, after), (bus, bus)), after


@pytest.mark.parametrize(("fifth", "earliest"), [("ACT", 200), ("REFPB", 202)])
def test_four_activate_window(slow, fifth, earliest):
    """The first is an activation: it ends 4 clocks after its start, a refresh 2."""
    checker = Checker(replace(slow, FAW=200))
    for time, command in enumerate(("ACT", "ACT", "REFPB", "ACT")):
        assert checker.issue(40 * time, Command(command), time).ok
    assert checker.issue(150, Command(fifth), 5)[:2] == (False, earliest)
    assert checker.bound(Command(fifth), 5) == (earliest, "tFAW")


def test_violation_is_not_applied(slow):
    checker = Checker(slow)
    checker.issue(0, Command.ACT, 0)
    assert checker.issue(4, Command.RD, 0) == (False, 5, "tRCD")
    assert checker.issue(5, Command.RD, 0) == (True, 5, "tRCD")      # nor did it hold the bus


def test_all_bank_commands_ignore_their_bank(slow):
    for bank in range(8):
        checker = Checker(slow)
        checker.issue(0, Command.ACT, 3)
        assert checker.issue(14, Command.PREAB, bank).ok
        assert checker.issue(18, Command.ACT, 3).earliest == 18      # RPAB - 2 = 4, and RCPB = 17


def test_misuse(slow):
    checker = Checker(slow)
    checker.issue(7, Command.ACT, 0)
    with pytest.raises(ValueError, match="time is 6, expected at least 7"):
        checker.issue(6, Command.ACT, 1)
    with pytest.raises(ValueError, match="bank is 8, expected 0 to 7"):
        checker.issue(9, Command.ACT, 8)


def searched(memspec, history: list[tuple], command: Command, bank: int) -> int:
    """The bound as the table reads, over every command applied so far."""
    earliest = 0
    for rule in RULES.timing:
        for time, before, other in history:
            shared = bank == other or before in ALL_BANK or command in ALL_BANK
            if before in rule.before and command in rule.after and (shared or rule.scope is Scope.ANY):
                earliest = max(earliest, time + clocks(rule.distance, memspec))
    for window in RULES.windows:
        ends = [time + BUS_CLOCKS[before] for time, before, _ in history if before in window.commands]
        if command in window.commands and len(ends) >= window.count:
            earliest = max(earliest, ends[-window.count] + clocks(window.span, memspec) - BUS_CLOCKS[command])
    return earliest


@settings(max_examples=60)
@given(st.lists(st.tuples(st.sampled_from(list(Command)), st.integers(0, 3), st.integers(-2, 6)), max_size=25),
       st.sampled_from([{}, FAST]))
def test_properties(slow, steps, values):
    """A command is ok at its bound and a violation one cycle sooner; the bound is what the search finds."""
    memspec = replace(slow, **values)
    checker, history, now = Checker(memspec), [], 0
    for command, bank, slack in steps:
        bound, rule = checker.bound(command, bank)
        if bound is None:
            assert checker.issue(now, command, bank) == (False, None, rule)
            continue
        assert bound == searched(memspec, history, command, bank)
        if bound > now:
            assert deepcopy(checker).issue(bound - 1, command, bank) == (False, bound, rule)
            assert deepcopy(checker).issue(bound, command, bank) == (True, bound, rule)
        now = max(now, bound + slack)
        verdict = checker.issue(now, command, bank)
        assert verdict == (now >= bound, max(now, bound), rule)
        if verdict.ok:
            history.append((now, command, bank))
