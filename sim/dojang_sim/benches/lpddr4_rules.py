"""LPDDR4 rules as the controller shares them out: those within a bank and those between banks, above 85 °C."""

from dataclasses import asdict, fields, replace

from dojang_hdl.lpddr4.timing import Lpddr4Config

from ..lpddr4 import RULES, RuleTable, Scope
from ..lpddr4.devicespec import DeviceSpec, memspec_of

__all__ = ["BETWEEN_BANKS", "WITHIN_BANK", "hot_spec"]

WITHIN_BANK = RuleTable(RULES.states, tuple(rule for rule in RULES.timing if rule.scope is Scope.SAME), ())
"""What a bank machine holds to on its own."""

BETWEEN_BANKS = RuleTable((), tuple(rule for rule in RULES.timing if rule.scope is Scope.ANY), RULES.windows)
"""What the scheduler sees to."""


def hot_spec(config: Lpddr4Config) -> DeviceSpec:
    """What the part of ``config`` needs above 85 °C, which the controller always keeps."""
    timing = asdict(config.timing(derated=True))
    return replace(memspec_of(config), **{field.name: timing[field.name] for field in fields(DeviceSpec)
                                          if field.name in timing})
