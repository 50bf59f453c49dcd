"""Judges LPDDR4 commands one by one against the rule table."""

from collections import defaultdict, deque
from typing import NamedTuple

from .commands import ALL_BANK, BUS_CLOCKS, CLOSING, OPENING, Command, Event
from .memspec import Memspec
from .rules import RULES, RuleTable, Scope, TimingRule, clocks

__all__ = ["Checker", "Verdict"]


class Verdict(NamedTuple):
    """What the checker says of one command.

    Members
    -------
    ok: the command broke no rule and was applied; otherwise it changed nothing.
    earliest: first legal tCK, not before the command's own; None where no wait helps: its bank is in the wrong state.
    rule: name of the rule that was broken, or of the one that bound last; None if none bound yet.
    """

    ok: bool
    earliest: int | None
    rule: str | None


class Checker:
    """One rank of LPDDR4 with all banks closed and nothing before.

    Parameters
    ----------
    memspec: the part's timing.
    rules: the rules to hold to.
    """

    def __init__(self, memspec: Memspec, rules: RuleTable = RULES):
        self.banks = memspec.banks
        self._time = 0
        self._open = [False] * memspec.banks
        # Start of the last command of a kind at a bank, and at any bank (bank None).
        self._last: dict[tuple[Command | Event, int | None], int] = {}
        self._needs = {command: (rule.name, rule.open) for rule in rules.states for command in rule.commands}
        self._modes: dict[int, int] = {}
        self._timing: dict[Command | Event, list[tuple[TimingRule, Command | Event, bool, int]]] = defaultdict(list)
        for rule in rules.timing:
            distance = clocks(rule.distance, memspec)
            for after in rule.after:
                anywhere = rule.scope is Scope.ANY or after in ALL_BANK
                self._timing[after] += [(rule, before, anywhere, distance) for before in rule.before]
        # Ends, first clock after the last edge, of the latest commands of each window.
        self._windows = [(rule, clocks(rule.span, memspec), deque[int](maxlen=rule.count)) for rule in rules.windows]

    def bound(self, command: Command | Event, bank: int) -> tuple[int | None, str | None]:
        """First legal tCK of ``command`` as things stand and the rule that says so, as in `Verdict`.

        0 and None if nothing binds. ``bank`` of an all-bank command or one without a bank means nothing.
        """
        if command in self._needs:
            name, opened = self._needs[command]
            addressed = self._open if command in ALL_BANK else (self._open[bank],)
            if any(state != opened for state in addressed):
                return None, name
        earliest, binding = 0, None
        for rule, before, anywhere, distance in self._timing[command]:
            if rule.when and not rule.when.any_in(self._modes):
                continue
            start = self._last.get((before, None if anywhere else bank))
            if start is not None and start + distance > earliest:
                earliest, binding = start + distance, rule.name
        for rule, span, ends in self._windows:
            if command in rule.commands and len(ends) == rule.count:
                start = ends[0] + span - BUS_CLOCKS[command]
                if start > earliest:
                    earliest, binding = start, rule.name
        return earliest, binding

    def write_mode(self, register: int, operand: int) -> None:
        """What an MRW that was issued has written."""
        self._modes[register] = operand

    def issue(self, time: int, command: Command | Event, bank: int) -> Verdict:
        """Judge ``command`` with its first clock edge at ``time`` tCK, and apply it if it is legal.

        Raises `ValueError` if ``time`` is before that of an earlier call or there is no such bank.
        """
        if time < self._time:
            raise ValueError(f"time is {time}, expected at least {self._time}, the time of the command before")
        if not 0 <= bank < self.banks:
            raise ValueError(f"bank is {bank}, expected 0 to {self.banks - 1}")
        self._time = time
        earliest, rule = self.bound(command, bank)
        if earliest is None or time < earliest:
            return Verdict(False, earliest, rule)
        self._apply(time, command, bank)
        return Verdict(True, time, rule)

    def _apply(self, time: int, command: Command | Event, bank: int) -> None:
        self._last[command, None] = time
        for addressed in range(self.banks) if command in ALL_BANK else (bank,):
            self._last[command, addressed] = time
            if command in OPENING or command in CLOSING:
                self._open[addressed] = command in OPENING
        for rule, _, ends in self._windows:
            if command in rule.commands:
                ends.append(time + BUS_CLOCKS[command])
