"""The rule table as C++ and the compiled device model made with it."""

import hashlib
import os
import re
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path

from dojang_hdl.lpddr4.timing import BANKS, LATENCIES, PAGE_BURSTS

from ..toolchain import cache_root, writing_cache
from .commands import ALL_BANK, BUS_CLOCKS, CLOSING, OPENING, Command, Event
from .device_rules import DEVICE_RULES, OBSERVED, Condition, DeviceRules
from .devicespec import DeviceSpec
from .rules import ModeBits

__all__ = ["CODES", "device_source", "rule_table"]

MODEL = Path(__file__).parent / "model"

CODES = (*Command, *Event)
"""Position of a command or event is its code in C++."""


def rule_table(rules: DeviceRules = DEVICE_RULES) -> str:
    """C++ declarations of everything the model knows from Python: commands, rules, names of a part's values."""
    names = [field.name for field in fields(DeviceSpec)]
    clocks = ", ".join(str(BUS_CLOCKS[code]) for code in CODES)
    lines = [
        "namespace dojang::lpddr4 {",
        f"enum Code : int {{ {', '.join(CODES)} }};",
        f"constexpr int kCommands = {len(Command)}, kCodes = {len(CODES)}, kBanks = {BANKS}, "
        f"kPageBursts = {PAGE_BURSTS};",
        f"constexpr const char* kNames[] = {{ {', '.join(map(quoted, CODES))} }};",
        f"constexpr int kBusClocks[] = {{ {clocks} }};",
        f"constexpr Codes kAllBank = {bits(ALL_BANK)}, kOpening = {bits(OPENING)}, kClosing = {bits(CLOSING)};",
        f"struct Spec {{ Clocks {', '.join(f'{name} = -1' for name in names)}; }};",
        "struct SpecField { const char* name; Clocks Spec::*value; };",
        *table("SpecField", "kSpecFields", ((quoted(name), f"&Spec::{name}") for name in names)),
        f"enum class Condition {{ {', '.join(Condition.__members__)} }};",
        "namespace observed {",
        *(f"constexpr const char* {name} = {quoted(name)};" for name in OBSERVED),
        "}",
        *table("Latencies", "kLatencies", ((str(rl), str(wl)) for rl, wl, *_ in LATENCIES.values())),
        *table("StateRule", "kStates", (
            (quoted(rule.name), bits(rule.commands), cpp_bool(rule.open)) for rule in rules.states)),
        *table("TimingRule", "kTiming", (
            (quoted(rule.name), bits(rule.before), bits(rule.after), cpp_bool(rule.scope == "any bank"),
             span(rule.distance), mode_bits(rule.when)) for rule in rules.timing)),
        *table("WindowRule", "kWindows", (
            (quoted(rule.name), bits(rule.commands), str(rule.count), span(rule.span)) for rule in rules.windows)),
        *table("ConditionRule", "kConditions", (
            (quoted(rule.name), bits(rule.commands), f"Condition::{rule.condition.name}")
            for rule in rules.conditions)),
        *table("ModeField", "kModeFields", (
            (quoted(field.name), mode_bits(field.bits), span(field.least), span(field.most)) for field in rules.modes)),
        f"const RefreshRule kRefresh = {{ {quoted(rules.refresh.name)}, {span(rules.refresh.interval)}, "
        f"{rules.refresh.postponed}, {{ {', '.join(map(str, rules.refresh.quarters))} }} }};",
        f"const BurstRule kBurst = {{ {quoted(rules.burst.name)}, {rules.burst.count}, {rules.burst.intervals} }};",
        f"const OpenRule kRowOpen = {{ {quoted(rules.row_open.name)}, {rules.row_open.intervals}, "
        f"{span(rules.row_open.span)} }};",
        f"const CalibrationRule kCalibration = {{ {quoted(rules.calibration.name)}, {span(rules.calibration.span)} }};",
        "}",
    ]
    return "\n".join(lines) + "\n"


def device_source(rules: DeviceRules = DEVICE_RULES) -> Path:
    """The model as one C++17 file in the cache, complete but for `MODEL`, whose content its first line names.

    So a build that is cached by the content of this file is up to date.
    """
    digest = hashlib.sha256()
    for source in sorted(MODEL.iterdir()):
        digest.update(source.read_bytes())
    text = (f"// Made from dojang_sim.lpddr4; model {digest.hexdigest()}\n"
            f'#include "{MODEL / "types.h"}"\n{rule_table(rules)}'
            f'#include "{MODEL / "device.cpp"}"\n#include "{MODEL / "api.cpp"}"\n')
    folder = cache_root() / "lpddr4"
    path = folder / f"lpddr4_{hashlib.sha256(text.encode()).hexdigest()[:16]}.cpp"
    if not path.exists():
        with writing_cache(folder):
            draft = folder / f"{path.stem}.{os.getpid()}"
            draft.write_text(text)
            os.replace(draft, path)         # at once: several tests may want it
    return path


def quoted(name: str) -> str:
    return f'"{name}"'


def cpp_bool(value: bool) -> str:
    return str(value).lower()


def bits(codes: Iterable[Command | Event]) -> str:
    """A set of commands and events, bit n for code n."""
    return hex(sum(1 << CODES.index(code) for code in set(codes)))


def mode_bits(bits: ModeBits | None) -> str:
    """Register, mask and position of the lowest bit; register -1 for none."""
    return f"{{ {bits.register}, {bits.mask}, {bits.low} }}" if bits else "{ -1, 0, 0 }"


def span(expression: str) -> str:
    """A distance of the table as a function of a part."""
    value = re.sub(r"([A-Za-z]\w*)", r"spec.\1", expression)
    return f"[]([[maybe_unused]] const Spec& spec) -> Clocks {{ return {value}; }}"


def table(kind: str, name: str, rows: Iterable[tuple[str, ...]]) -> list[str]:
    return [f"const {kind} {name}[] = {{", *(f"  {{ {', '.join(row)} }}," for row in rows), "};"]
