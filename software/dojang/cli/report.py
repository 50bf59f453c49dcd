"""``dojang report``: area and clock of the blocks on an FPGA."""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from ..errors import DojangError
from .console import console, output, working
from .output_file import prepare, write_json

FIGURES = Path("docs/figures/fpga.json")
HIERARCHY = Path("build/fpga/hierarchy.json")
DOCUMENTS = (Path("docs/reference/fpga.md"), Path("README.md"))



class Block(StrEnum):
    """Names of `dojang_fpga.report.BLOCKS`, known without importing it."""

    ENGINE = "engine"
    ENGINE_CODED = "engine-coded"
    DECODER = "decoder"
    DECODER_X2 = "decoder-x2"
    ALIGNER = "aligner"
    ALIGNER_CODED = "aligner-coded"
    VECTOR = "vector"
    ROUTER = "router"
    ROUTER_1X1 = "router-1x1"
    LPDDR4 = "lpddr4"
    GUARD = "guard"
    NODE = "node"


def report(
    blocks: Annotated[list[Block] | None, typer.Argument(metavar="[BLOCK]...", show_default=False,
                      help=f"Some of {', '.join(block.value for block in Block)}; all without any.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", show_default=False, help=f"Where the "
                         f"figures go; those of other blocks in it are kept. Default: {FIGURES}, with --hierarchy "
                         f"{HIERARCHY}.")] = None,
    instances: Annotated[bool, typer.Option("--hierarchy", help="Only synthesise, and list the cells of every "
                         "instance in the blocks (the node without any), the largest first; a minute each.")] = False,
    seeds: Annotated[int, typer.Option(min=1, help="Placements to try until a block is fast enough.")] = 3,
    timeout: Annotated[int, typer.Option(min=1, help="Seconds a tool may take.")] = 3600,
):
    """Synthesise, place and route the blocks for an ECP5 (LFE5U-85F), each alone.

    With the default FILE the tables in docs/reference/fpga.md and README.md are made anew from it.
    The whole takes about half an hour. It needs the tools of the extra `report`.

    Example: dojang report router --json build/router.json
    Example: dojang report node --hierarchy
    """
    json_file = json_file or (HIERARCHY if instances else FIGURES)
    if instances:
        return _hierarchy([block.value for block in blocks or (Block.NODE,)], json_file, timeout)
    try:
        from dojang_fpga.synth import SynthesisError, require_tools
        from dojang_fpga.table import TableError, update
    except ModuleNotFoundError as error:
        raise DojangError(f"dojang report needs the package {error.name}, which is not installed") from None
    try:
        require_tools()
        prepare(json_file, keep=True)
        from dojang_fpga.report import BLOCKS, measure

        folder = Path("build/fpga")
        known = _read(json_file)
        names = [block.value for block in blocks or Block]
        for name in names:  # written after each: the node alone is long
            with working(name) as progress:
                known = measure([name], folder, range(1, seeds + 1), known, timeout, progress)
            write_json(json_file, known, ascii_only=False)
            result = known["blocks"][name]
            console.print(f"{name}: {result['fmax_mhz']} MHz, {result['seconds']} s")
        _print({name: known["blocks"][name] for name in names})
        console.print(f"figures: {json_file}; netlists, reports and logs: {folder}")
        if json_file == FIGURES:
            for document in DOCUMENTS:
                if document.exists() and update(document, known):
                    console.print(f"table: {document}")
    except (SynthesisError, TableError) as error:
        raise DojangError(str(error)) from None
    slow = [f"{name} ({known['blocks'][name]['fmax_mhz']} of {BLOCKS[name].target_mhz:g} MHz)" for name in names
            if known["blocks"][name]["fmax_mhz"] < BLOCKS[name].target_mhz]
    if slow:
        raise DojangError(f"slower than asked: {', '.join(slow)}")


def _hierarchy(names: list[str], json_file: Path, timeout: int) -> None:
    try:
        from dojang_fpga.report import BLOCKS, locate
        from dojang_fpga.synth import DEVICE, SynthesisError, tool_versions
    except ModuleNotFoundError as error:
        raise DojangError(f"dojang report needs the package {error.name}, which is not installed") from None
    prepare(json_file)
    folder = Path("build/fpga")
    try:
        with working("synthesis") as progress:
            found = locate(names, folder, timeout, progress)
        figures = {"command": f"dojang report {' '.join(names)} --hierarchy", "device": DEVICE,
                   "tools": tool_versions(),
                   "blocks": {name: {"title": BLOCKS[name].title, "instances": [i.as_json() for i in instances]}
                              for name, instances in found.items()}}
    except SynthesisError as error:
        raise DojangError(str(error)) from None
    write_json(json_file, figures, indent=1, ascii_only=False)
    for name, block in figures["blocks"].items():
        _print_instances(name, block["instances"])
    console.print(f"all instances: {json_file}; netlists and logs: {folder}")


def _print_instances(name: str, instances: list[dict]) -> None:
    """Those with a hundredth of the whole at least."""
    kinds = {"LUT4": "lut4", "FF": "ff", "CCU2C": "ccu2c", "MUX": "mux", "DPR16X4": "dpr16x4", "DSP": "dsp",
             "BRAM": "bram"}
    table = Table("instance", "COMB", *kinds, "own LUT4", "own FF",
                  title=f"{name}: cells with all below, before packing; hierarchy kept")
    shown = [instance for instance in instances if 100 * instance["comb"] >= instances[0]["comb"]]
    for instance in shown:
        table.add_row(instance["path"] or name, f"{instance['comb']:,}",
                      *(f"{instance['total'][kind]:,}" for kind in kinds.values()),
                      f"{instance['own']['lut4']:,}", f"{instance['own']['ff']:,}")
    output.print(table)


def _read(path: Path) -> dict:
    """The report in a file, empty if there is none."""
    if not path.exists():
        return {}
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DojangError(f"{path} is not a report: {error}") from None
    if not isinstance(known, dict) or not isinstance(known.get("blocks"), dict):
        raise DojangError(f"{path} is not a report: it has no blocks")
    return known


def _print(blocks: dict) -> None:
    table = Table("block", "MHz", "COMB", "FF", "DSP", "BRAM", "slowest path", title="placed and routed alone")
    for name, block in blocks.items():
        path = block["critical_path"]
        table.add_row(name, f"{block['fmax_mhz']:.1f}", f"{block['comb']:,}", f"{block['ff']:,}", str(block["dsp"]),
                      str(block["bram"]), f"{path['start']} → {path['end']}")
    output.print(table)
