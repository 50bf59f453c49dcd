"""``dojang bench lpddr4``: what the memory controller makes of the pins' peak."""

import time
from collections.abc import Callable
from dataclasses import asdict
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer
from dojang_hdl.lpddr4.timing import Lpddr4Config, Lpddr4ConfigError
from rich.table import Table

from .bench import BenchError
from .console import output, working
from .documents import update_document
from .output_file import JsonFile, prepare, write_json

FIGURES = {1: Path("docs/figures/lpddr4.json"), 2: Path("docs/figures/lpddr4-ports.json")}
"""By the ports of a channel."""

DOCUMENT = Path("docs/reference/lpddr4-bench.md")

Case = Enum("Case", {name: name for name in (
    "sequential", "chunks-4k", "chunks-128", "writes-512", "writes-single", "kv-10", "kv-30", "writes")}, type=str)
"""Names of `dojang_sim.lpddr4.traffic.PATTERNS`, known without importing it."""

RATES = {1: (3200, 1600), 2: (3200,)}
"""By the ports of a channel."""

INIT_DIVISOR = 100
"""Initialisation is not what is measured."""


def lpddr4(
    cases: Annotated[list[Case] | None, typer.Argument(metavar="[CASE]...", show_default=False,
                     help=f"Some of {', '.join(case.value for case in Case)}; all without any.")] = None,
    json_file: JsonFile = None,
    rate: Annotated[list[int] | None, typer.Option(
        help="Mb/s of a pin; any number of times. If not given 3200, and 1600 with one port.")] = None,
    ports: Annotated[int, typer.Option(min=1, max=2, help="Memory ports that share the channel; each makes half of the "
                                       "traffic of a case. Two take ratio 8 instead of 4.")] = 1,
    density: Annotated[int, typer.Option(help="Gb of the channel: 4, 8 or 16.")] = 8,
    size: Annotated[int, typer.Option(min=1, metavar="MIB", help="MiB moved in each case.")] = 8,
):
    """Words moved on one simulated LPDDR4 channel, in per cent of the pins' peak.

    Every word that is read is compared, every timing rule of the memory checked.
    If FILE is docs/figures/lpddr4.json, or of two ports lpddr4-ports.json, the table in docs/reference/lpddr4-bench.md
    is made anew.
    The exit code is 2 if a case stays below its floor.

    Example: dojang bench lpddr4 sequential kv-10 --rate 3200 --json figures.json
    """
    prepare(json_file)
    started = time.perf_counter()
    try:
        configs = [Lpddr4Config(rate=each, density=density, ratio=4 * ports, ports=ports, init_divisor=INIT_DIVISOR)
                   for each in rate or RATES[ports]]
    except Lpddr4ConfigError as error:
        raise BenchError(str(error)) from None
    names = [case.value for case in cases or Case]
    with working("building the simulated channel") as progress:
        rates = {str(config.rate): _measure(config, names, size << 20, progress) for config in configs}
    figures = {"density": density, "ratio": configs[0].ratio, "size": size << 20, "rates": rates,
               "wall_seconds": time.perf_counter() - started}
    write_json(json_file, figures, ascii_only=False)
    if json_file == FIGURES[ports]:
        update_document(DOCUMENT, figures, {FIGURES[ports].stem: document_table})
    output.print(_table(figures))
    low = [f"{name} at {mbps} Mb/s ({case['percent_of_peak']:.2f} %, floor {case['floor']:g} %)"
           for mbps, entries in rates.items() for name, case in entries.items()
           if case["floor"] is not None and case["percent_of_peak"] < case["floor"]]
    if low:
        raise BenchError(f"below the floor: {', '.join(low)}")


def _measure(config: Lpddr4Config, names: list[str], size: int, progress: Callable[[str], None]) -> dict[str, dict]:
    """Figures by case; BenchError if a word is wrong or a rule broken."""
    from dojang_sim.lpddr4.traffic import PATTERNS, TrafficError, build_lpddr4_traffic, run_traffic

    title = f"LPDDR4-{config.rate}"
    executable = build_lpddr4_traffic(config, on_build=lambda: progress(f"{title}: building the simulated channel"))
    figures = {}
    for name in names:
        pattern = PATTERNS[name]
        progress(f"{title}: {pattern.description}")
        commands = pattern.commands(size // config.ports)
        try:
            result = run_traffic(executable, [pattern] * config.ports, words=config.port_words, commands=commands,
                                 warmup=commands // 10)
        except TrafficError as error:
            raise BenchError(f"{title}, {error}") from None
        figures[name] = {"description": pattern.description, "floor": pattern.floor,
                         "percent_of_peak": round(result.percent_of_peak(config), 2), **asdict(result)}
    return figures


def rows(figures: dict) -> list[list[str]]:
    """A row per case: description, floor, per cent of peak by rate."""
    rates = list(figures["rates"].values())
    return [[case["description"], "" if case["floor"] is None else f"{case['floor']:.1f}",
             *(f"{entries[name]['percent_of_peak']:.1f}" for entries in rates)] for name, case in rates[0].items()]


def document_table(figures: dict) -> str:
    """The rows as Markdown."""
    lines = [["% of the pins' peak", "floor", *(f"LPDDR4-{rate}" for rate in figures["rates"])],
             ["---", *["--:"] * (1 + len(figures["rates"]))], *rows(figures)]
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"{table}\n\n{figures['density']} Gb, per-bank refresh, {figures['size'] >> 20} MiB moved in each case."


def _table(figures: dict) -> Table:
    table = Table("% of the pins' peak", "floor", *figures["rates"], title=f"LPDDR4, {figures['density']} Gb")
    for row in rows(figures):
        table.add_row(*row)
    return table
