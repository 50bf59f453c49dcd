"""LPDDR4 rules as the controller shares them out: those within a bank and those between banks."""

from ..lpddr4 import RULES, RuleTable, Scope

__all__ = ["BETWEEN_BANKS", "WITHIN_BANK"]

WITHIN_BANK = RuleTable(RULES.states, tuple(rule for rule in RULES.timing if rule.scope is Scope.SAME), ())
"""What a bank machine holds to on its own."""

BETWEEN_BANKS = RuleTable((), tuple(rule for rule in RULES.timing if rule.scope is Scope.ANY), RULES.windows)
"""What the scheduler sees to."""
