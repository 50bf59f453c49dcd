"""The reference page shows the rule table as it is, and its example is what the command writes."""

import subprocess
import sys
from pathlib import Path

from dojang_sim.lpddr4 import RULES, Command
from dojang_sim.lpddr4.device_rules import DEVICE_RULES, OBSERVED

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "lpddr4.md"
MEMSPEC = Path(__file__).parent / "data" / "memspec_1600.json"


def listed(commands) -> str:
    return "all" if set(commands) == set(Command) else " ".join(commands)


def timing_rows(rules) -> list[str]:
    return [f"| {rule.name} | {listed(rule.before)} | {listed(rule.after)} | {rule.scope} | {rule.distance} | "
            f"{rule.source} |" for rule in rules]


def test_rule_tables():
    """On failure, paste the rows the assertion shows."""
    rows = [f"| {rule.name} | {listed(rule.commands)} | {'open' if rule.open else 'closed'} | {rule.source} |"
            for rule in RULES.states]
    rows += timing_rows(RULES.timing)
    rows += [f"| {rule.name} | {listed(rule.commands)} | {rule.count} | {rule.span} | {rule.source} |"
             for rule in RULES.windows]
    rows += timing_rows(rule for rule in DEVICE_RULES.timing if rule not in RULES.timing)
    rows += [f"| {rule.name} | {listed(rule.commands)} | {rule.condition} | {rule.source} |"
             for rule in DEVICE_RULES.conditions]
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
    names = {row.split()[1] for row in rows}
    shown = [line for line in PAGE.read_text().splitlines() if line.startswith("| ") and line.split()[1] in names]
    assert shown == rows, "\n".join(rows)


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
