"""What breaks a rule of a device without making a command of a trace illegal: deadlines, rounds of refreshes."""

from collections.abc import Iterator

from .commands import ALL_BANK, CLOSING, OPENING, Command
from .device_rules import DEVICE_RULES, Condition
from .memspec import Memspec
from .trace import Issue

__all__ = ["Remarks"]

REFRESHES = (Command.REFPB, Command.REFAB)
ROUND = next(rule.name for rule in DEVICE_RULES.conditions if rule.condition is Condition.TURN)


class Remarks:
    """Watches the commands of a trace, in order. Without a REFI in ``memspec`` there are no deadlines, only rounds.

    Parameters
    ----------
    memspec: the part.
    origin: tCK from which on refreshes are due.
    """

    def __init__(self, memspec: Memspec, origin: int):
        self._memspec, self._origin = memspec, origin
        self._opened: dict[int, int] = {}
        self._credit = [0] * memspec.banks      # refreshes, and deadlines missed
        self._turns: set[int] = set()           # banks refreshed in this round

    def before(self, issue: Issue) -> Iterator[str]:
        """Deadlines that have passed since the command before, the first of each bank."""
        interval = self._memspec.REFI
        if not interval:
            return
        for bank in range(self._memspec.banks):
            latest = self._opened.get(bank, issue.time) + self._open_span
            if latest < issue.time:
                del self._opened[bank]
                yield f"rule {DEVICE_RULES.row_open.name} of bank {bank}, latest {latest}"
            latest = self._due(bank)
            if latest < issue.time:
                self._credit[bank] += -(-(issue.time - latest) // interval)
                yield f"rule {DEVICE_RULES.refresh.name} of bank {bank}, latest {latest}"

    def after(self, issue: Issue) -> Iterator[str]:
        """What is wrong with ``issue`` itself, which is legal between commands."""
        banks = range(self._memspec.banks) if issue.command in ALL_BANK else range(issue.bank, issue.bank + 1)
        for bank in banks:
            if issue.command in OPENING:
                self._opened[bank] = issue.time
            if issue.command in CLOSING:
                self._opened.pop(bank, None)
        if issue.command is Command.REFPB and issue.bank in self._turns:
            yield f"rule {ROUND} of bank {issue.bank}, earliest -"
        elif issue.command in REFRESHES:
            self._refreshed(issue.time, banks)

    @property
    def _open_span(self) -> int:
        """The longest that a row may be open; the refresh deadline is shorter than the fixed limit of 70.2 µs."""
        return (DEVICE_RULES.refresh.postponed + 1) * self._memspec.REFI + 2

    def _due(self, bank: int) -> int:
        return self._origin + (self._credit[bank] + DEVICE_RULES.refresh.postponed + 1) * self._memspec.REFI

    def _refreshed(self, time: int, banks: range) -> None:
        if interval := self._memspec.REFI:
            most = (time - self._origin) // interval + DEVICE_RULES.refresh.postponed
            for bank in set(banks) - self._turns:       # REFAB in the midst of a round only ends it
                self._credit[bank] = min(self._credit[bank] + 1, most)
        self._turns |= set(banks)
        if len(self._turns) == self._memspec.banks:
            self._turns = set()
