"""The reference pages show the tables as they are, and the example is what the command writes."""

import subprocess
import sys
from dataclasses import fields
from pathlib import Path

from dojang_hdl.lpddr4 import timing
from dojang_hdl.lpddr4.timing import Lpddr4Config, Timing
from dojang_sim.lpddr4 import RULES, Command
from dojang_sim.lpddr4.device_rules import DEVICE_RULES, OBSERVED
from dojang_sim.lpddr4.sources import RULE_SOURCES, SOURCES, VALUE_SOURCES

REFERENCE = Path(__file__).parents[3] / "docs" / "reference"
PAGE = REFERENCE / "lpddr4.md"
MEMSPEC = Path(__file__).parent / "data" / "memspec_1600.json"


def listed(commands) -> str:
    return "all" if set(commands) == set(Command) else " ".join(commands)


def timing_rows(rules) -> list[str]:
    return [f"| {rule.name} | {listed(rule.before)} | {listed(rule.after)} | {rule.scope} | {rule.distance} | "
            f"{rule.source}{f', while {rule.when} is not 0' if rule.when else ''} | {RULE_SOURCES[rule.name]} |"
            for rule in rules]


def shown(page, rows) -> list[str]:
    """The rows of ``page`` whose first cell is that of one of ``rows``."""
    first = {row.split("|")[1] for row in rows}
    return [line for line in page.read_text().splitlines() if line.startswith("| ") and line.split("|")[1] in first]


def test_rule_tables():
    """On failure, paste the rows the assertion shows."""
    rows = [f"| {rule.name} | {listed(rule.commands)} | {'open' if rule.open else 'closed'} | {rule.source} | "
            f"{RULE_SOURCES[rule.name]} |"
            for rule in RULES.states]
    rows += timing_rows(RULES.timing)
    rows += [f"| {rule.name} | {listed(rule.commands)} | {rule.count} | {rule.span} | {rule.source} | "
             f"{RULE_SOURCES[rule.name]} |" for rule in RULES.windows]
    rows += timing_rows(rule for rule in DEVICE_RULES.timing if rule not in RULES.timing)
    rows += [f"| {rule.name} | {listed(rule.commands)} | {rule.condition} | {rule.source} |"
             for rule in DEVICE_RULES.conditions]
    rows += [f"| {field.name} | {field.bits} | {' to '.join(dict.fromkeys((field.least, field.most)))} | "
             f"{field.meaning} |" for field in DEVICE_RULES.modes]
    refresh, burst, row_open, calibration = (DEVICE_RULES.refresh, DEVICE_RULES.burst, DEVICE_RULES.row_open,
                                             DEVICE_RULES.calibration)
    rows += [f"| {refresh.name} | refresh of each bank, at most {refresh.postponed} postponed | {refresh.interval} | "
             f"{refresh.source} |",
             f"| {burst.name} | refreshes of all banks in {burst.intervals} {refresh.interval} | {burst.count} | "
             f"{burst.source} |",
             f"| {row_open.name} | row open | {row_open.intervals} {refresh.interval}, {row_open.span} | "
             f"{row_open.source} |",
             f"| {calibration.name} | ZQCAL_LATCH to the next | {calibration.span} | {calibration.source} |"]
    rows += [f"| {name} | {meaning} |" for name, meaning in OBSERVED.items()]
    assert shown(PAGE, rows) == rows, "\n".join(rows)


def number(value) -> str:
    return f"{float(value):,.10g}"


def value_row(name: str) -> str:
    """ns, tCK, ns above 85 °C; what goes by density or clock in order of those."""
    source = VALUE_SOURCES[name]
    latencies = dict(zip(("RL", "WL", "NWR", "NRTP", "ODTLON"), zip(*timing.LATENCIES.values(), strict=True),
                         strict=True))
    densities = dict(zip(("RFCAB", "RFCPB"), zip(*timing.REFRESH_NS.values(), strict=True), strict=True))
    single = {**timing.INIT_NS, "REFI": timing.REFI_NS, "RAS_MAX": timing.ROW_OPEN_NS, "ODTON": timing.ODTON_NS,
              "ZQINT": Lpddr4Config.upkeep_ns}
    if name in timing.ANALOG:
        ns, least, growth = timing.ANALOG[name]
        cells = number(ns), str(least) if least > 1 else "", f"+ {number(growth)}" if growth else ""
    elif name in latencies:
        cells = "", " ".join(map(str, latencies[name])), ""
    elif name in densities:
        cells = " ".join(map(str, densities[name])), "", ""
    elif name in single:
        cells = number(single[name]), "", ""
    else:
        cells = "", str(getattr(Timing, name)), ""
    return f"| {source.name} | {' | '.join(cells)} | {source.also} | {source.note} |"


def test_value_table():
    """On failure, paste the rows the assertion shows. Every value has its row."""
    assert {field.name for field in fields(Timing)} - {"RCPB"} == set(VALUE_SOURCES)
    rows = [value_row(name) for name in VALUE_SOURCES]
    assert shown(REFERENCE / "lpddr4-controller.md", rows) == rows, "\n".join(rows)


def test_sources():
    """Names of the tables are explained, with repository and files, in the page."""
    also = (*RULE_SOURCES.values(), *(source.also for source in VALUE_SOURCES.values()))
    used = {word.partition("#")[0] for names in also for word in names.split()}
    assert used == set(SOURCES)
    rows = [f"| {name} | {where} |" for name, where in SOURCES.items()]
    assert shown(PAGE, rows) == rows, "\n".join(rows)


def test_example(tmp_path):
    """The first code block is the trace, the second what becomes of it."""
    blocks = PAGE.read_text().split("```")[1::2]
    trace, output = (block.partition("\n")[2] for block in blocks[1:3])
    (tmp_path / "trace.txt").write_text(trace)
    command = blocks[0].partition("\n")[2].strip()
    assert command == "python -m dojang_sim.lpddr4.check memspec.json trace.txt"
    result = subprocess.run([sys.executable, *command.split()[1:3], MEMSPEC, tmp_path / "trace.txt"],
                            capture_output=True, text=True, timeout=60, check=True)
    assert result.stdout + result.stderr == output

    lines = ("0 REFAB 0", "300 ACT 3", "29000 RD 3", "29100 PREPB 3", "29200 REFPB 0", "29400 REFPB 0")
    (tmp_path / "trace.txt").write_text("\n".join(lines))
    result = subprocess.run([sys.executable, *command.split()[1:3], "--remarks", MEMSPEC, tmp_path / "trace.txt"],
                            capture_output=True, text=True, timeout=60, check=True)
    assert result.stderr == blocks[3].partition("\n")[2] + "6 commands, 0 violations\n"
