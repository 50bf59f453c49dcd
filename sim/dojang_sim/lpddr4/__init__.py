"""LPDDR4 timing: memspec, commands, the rule table and the checker of command traces."""

from .checker import Checker, Verdict
from .commands import ALL_BANK, BUS_CLOCKS, CLOSING, OPENING, Command
from .memspec import Memspec, MemspecError, read_memspec
from .rules import RULES, RuleTable, Scope, StateRule, TimingRule, WindowRule, clocks
from .trace import Issue, TraceError, read_trace

__all__ = ["ALL_BANK", "BUS_CLOCKS", "CLOSING", "OPENING", "RULES", "Checker", "Command", "Issue", "Memspec",
           "MemspecError", "RuleTable", "Scope", "StateRule", "TimingRule", "TraceError", "Verdict", "WindowRule",
           "clocks", "read_memspec", "read_trace"]
