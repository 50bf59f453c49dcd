"""The rule table of docs/reference/lpddr4.md as assertions about commands of a controller cycle."""

from collections.abc import Mapping
from itertools import product

from amaranth.hdl import Assert, Cat, Module, Mux, Signal
from dojang_hdl.lpddr4.initialise import mode_registers
from dojang_hdl.lpddr4.timing import Lpddr4Config

from ..lpddr4.commands import Command
from ..lpddr4.device_rules import DEVICE_RULES
from ..lpddr4.devicespec import memspec_of
from ..lpddr4.rules import Scope, clocks

__all__ = ["History", "assert_timing", "ones", "saturating"]

COLUMN = frozenset({Command.RD, Command.RDA, Command.WR, Command.WRA})


class History:
    """When an event last was: ``within(n)``, in one of the ``n`` cycles before this one."""

    def __init__(self, m: Module, event, cycles: int, name: str):
        self._past = Signal(max(cycles, 1), name=f"{name}_past")
        m.d.sync += self._past.eq(Cat(event, self._past))

    def within(self, cycles: int):
        return self._past[:cycles].any()


def assert_timing(m: Module, config: Lpddr4Config, before: Mapping[Command, Signal], after: Mapping[Command, Signal],
                  scope: Scope) -> None:
    """Assert all rules of ``scope`` from one of ``before`` to one of ``after``, with the mode registers of ``config``.

    Column commands start at phase 0 of their cycle, row commands at phase ``ratio`` - 4. Commands of one cycle are
    judged as well, where the second starts later than the first.
    """
    spec, modes = memspec_of(config, derated=True), mode_registers(config)
    for rule in DEVICE_RULES.timing:
        if rule.scope != scope or (rule.when and not rule.when.any_in(modes)):
            continue
        distance = clocks(rule.distance, spec)
        for first, second in product(rule.before, rule.after):
            if first not in before or second not in after:
                continue
            shift = _phase(config, second) - _phase(config, first)
            cycles = -(-(distance - shift) // config.ratio) - 1     # so many cycles before are too late
            name = f"{rule.name}: {first} to {second}"
            if cycles > 0:
                past = History(m, before[first], cycles, f"{rule.name}_{first}_{second}")
                m.d.comb += Assert(~(after[second] & past.within(cycles)), name)
            if 0 < shift < distance:
                m.d.comb += Assert(~(before[first] & after[second]), f"{name} at once")


def _phase(config, command):
    return 0 if command in COLUMN else config.ratio - 4


def ones(bits):
    """How many bits are set."""
    return sum(bits[index] for index in range(len(bits)))


def saturating(m: Module, condition, limit: int, name: str) -> Signal:
    """Cycles in a row, up to now, in which ``condition`` held; up to ``limit``."""
    count = Signal(range(limit + 1), name=name)
    m.d.sync += count.eq(Mux(condition, Mux(count == limit, limit, count + 1), 0))
    return count
