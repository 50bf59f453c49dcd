"""What no verdict of a trace shows: rows open too long, refreshes missing or twice in a round."""

import pytest
from dojang_sim.benches.mutation import mutate
from dojang_sim.lpddr4 import Command, Issue
from dojang_sim.lpddr4.remarks import Remarks

# REFI 1041: a row may be open for 9 and 2 tCK, the first refresh comes at 9 at the latest, a second one at 10.
CASES = {
    "0 REFAB 0, 200 ACT 3, 9571 PREPB 3": [],
    "0 REFAB 0, 200 ACT 3, 9572 PREPB 3": ["9572 PREPB 3: rule tRAS_MAX of bank 3, latest 9571"],
    "0 REFAB 0, 200 ACT 3, 9600 RD 3, 9700 RDA 3, 9900 PREPB 3": ["9600 RD 3: rule tRAS_MAX of bank 3, latest 9571"],
    "0 REFAB 0, 200 ACT 3, 900 PREPB 3, 910 ACT 3, 10281 PREAB 0": [],
    "0 REFAB 0, 200 ACT 3, 900 WRA 3, 10000 ACT 3": [],
    "0 PREAB 0, 9369 REFAB 0, 10410 REFAB 0": [],
    "0 PREAB 0, 9370 REFAB 0": [f"9370 REFAB 0: rule tREFI of bank {bank}, latest 9369" for bank in range(8)],
    "0 PREAB 0, 11451 PREAB 0, 11452 PREAB 0":       # 11451 is the deadline that follows
        [f"11451 PREAB 0: rule tREFI of bank {bank}, latest 9369" for bank in range(8)] +
        [f"11452 PREAB 0: rule tREFI of bank {bank}, latest 11451" for bank in range(8)],
    "500 PREAB 0, 9869 REFAB 0": [],
    "0 REFPB 4, 9000 REFAB 0, 10411 REFAB 0":       # bank 4 has had its turn
        [f"10411 REFAB 0: rule tREFI of bank {bank}, latest 10410" for bank in range(8)],
    "0 REFPB 4, 9370 REFPB 1":
        [f"9370 REFPB 1: rule tREFI of bank {bank}, latest 9369" for bank in (0, 1, 2, 3, 5, 6, 7)],
    f"{', '.join(f'{at} REFAB 0' for at in range(0, 1000, 100))}, 17697 PREAB 0": [],      # worth 8, not 10
    f"{', '.join(f'{at} REFAB 0' for at in range(0, 1000, 100))}, 17698 PREAB 0":
        [f"17698 PREAB 0: rule tREFI of bank {bank}, latest 17697" for bank in range(8)],
    "0 REFPB 0, 100 REFPB 0, 200 REFPB 1": ["100 REFPB 0: rule ROUND of bank 0, earliest -"],
    "0 REFPB 0, 100 REFAB 0, 200 REFPB 0": [],
    ", ".join(f"{100 * at} REFPB {at % 8}" for at in range(9)): [],
}



def remarks(slow, trace, remarks=Remarks) -> list[str]:
    """Of commands that are all legal."""
    issues = [Issue(int(time), Command[command], int(bank)) for time, command, bank in
              (entry.split() for entry in trace.split(", "))]
    watch = remarks(slow, issues[0].time)
    return [f"{issue.time} {issue.command} {issue.bank}: {note}" for issue in issues
            for note in (*watch.before(issue), *watch.after(issue))]


def check(slow, watch=Remarks):
    for trace, expected in CASES.items():
        assert remarks(slow, trace, watch) == expected, trace


def test_remarks(slow):
    """To the clock, each once; of a bank that is late for long only the first deadline."""
    check(slow)


@pytest.mark.parametrize(("old", "new"), [
    ("if latest < issue.time:\n                del", "if latest <= issue.time:\n                del"),
    ("if latest < issue.time:\n                self", "if latest <= issue.time:\n                self"),
    ("                del self._opened[bank]\n", ""),
    ("self._opened.pop(bank, None)", "pass"),
    ("-(-(issue.time - latest) // interval)", "1"),
    ("set(banks) - self._turns", "set(banks)"),
    ("            self._turns = set()\n", "            pass\n"),
    ("min(self._credit[bank] + 1, most)", "self._credit[bank] + 1"),
    ("issue.bank in self._turns", "False"),
])
def test_broken_remarks_are_noticed(slow, old, new):
    with pytest.raises((AssertionError, KeyError)):
        check(slow, mutate("dojang_sim.lpddr4.remarks", old, new).Remarks)
