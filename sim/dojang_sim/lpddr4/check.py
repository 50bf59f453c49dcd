"""``python -m dojang_sim.lpddr4.check``: judge every command of a trace."""

import sys
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from .checker import Checker
from .memspec import MemspecError, read_memspec
from .remarks import Remarks
from .trace import TraceError, read_trace

__all__ = ["check"]

EXAMPLE = "Example: python -m dojang_sim.lpddr4.check memspec.json trace.txt --remarks > judged.txt"

MemspecFile = Annotated[Path, typer.Argument(metavar="MEMSPEC.json", help="DRAMSys memspec of an LPDDR4 part.")]
TraceFile = Annotated[Path, typer.Argument(metavar="TRACE.txt", help="A command a line: t_tCK CMD BANK.")]
RemarksFlag = Annotated[bool, typer.Option("--remarks", help="Name on stderr what no verdict shows: tRAS_MAX, tREFI, "
                                           "ROUND.")]


def check(memspec: MemspecFile, trace: TraceFile, remarks: RemarksFlag = False):
    """Judge every command of an LPDDR4 trace against the timing rules.

    Writes "t CMD BANK earliest ok|viol" for each, and a summary to stderr.
    A violating command is not applied; its earliest is the first legal tCK,
    or - if its bank is in the wrong state. Violations are no failure:
    the exit code is 2 if a file cannot be used, else 0.
    """
    try:
        spec = read_memspec(memspec)
        issues = read_trace(trace, spec.banks)
    except (MemspecError, TraceError) as error:
        print(error, file=sys.stderr)
        raise typer.Exit(2) from None
    checker, broken, lines, notes = Checker(spec), Counter(), [], []
    watch = Remarks(spec, issues[0].time) if remarks and issues else None
    for issue in issues:
        verdict = checker.issue(*issue)
        if watch:
            found = [*watch.before(issue), *(watch.after(issue) if verdict.ok else ())]
            notes += [f"{issue.time} {issue.command} {issue.bank}: {note}\n" for note in found]
        earliest = "-" if verdict.earliest is None else verdict.earliest
        lines.append(f"{issue.time} {issue.command} {issue.bank} {earliest} {'ok' if verdict.ok else 'viol'}\n")
        if not verdict.ok:
            broken[verdict.rule] += 1
    sys.stdout.writelines(lines)
    sys.stderr.writelines(notes)
    by_rule = ", ".join(f"{rule} {count}" for rule, count in broken.most_common())
    print(f"{len(issues)} commands, {broken.total()} violations{': ' * bool(by_rule)}{by_rule}", file=sys.stderr)


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command(epilog=EXAMPLE)(check)
    app(prog_name="python -m dojang_sim.lpddr4.check")
