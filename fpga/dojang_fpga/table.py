"""Tables of figures inside documents, between markers, and those of the placed blocks."""

from collections.abc import Callable, Mapping
from pathlib import Path

__all__ = ["TableError", "fill", "full_table", "router_table", "short_table", "update"]


class TableError(ValueError):
    """A document's markers are not as expected; the message names the document."""


def full_table(report: dict) -> str:
    """Area, clock and critical path of every block of the report, as Markdown."""
    tools = ", ".join(f"{name} {version}" for name, version in report["tools"].items())
    lines = ["| block | fmax (MHz) | TRELLIS_COMB | flip-flops | MULT18X18D | DP16KD | critical path | of it routing |",
             "|---|--:|--:|--:|--:|--:|---|--:|"]
    for name, block in report["blocks"].items():
        path = block["critical_path"]
        total = path["logic_ns"] + path["routing_ns"]
        lines.append(f"| `{name}`: {block['title']} | {block['fmax_mhz']:.1f} | {block['comb']:,} | {block['ff']:,} | "
                     f"{block['dsp']} | {block['bram']} | `{path['start']}` → `{path['end']}`, "
                     f"{path['levels']} cells | {path['routing_ns'] / total:.0%} |")
    goal = report["target_mhz"]
    others = [f", `{name}` {block['target_mhz']:g}" for name, block in report["blocks"].items()
              if block.get("target_mhz", goal) != goal]
    lines += ["", f"{report['device']}, {tools}; each block must reach {goal:g} MHz{''.join(others)}."]
    return "\n".join(lines)


def short_table(report: dict) -> str:
    """Area and clock only."""
    lines = [f"| on {report['device']} | MHz | TRELLIS_COMB | flip-flops | DSP | BRAM |", "|---|--:|--:|--:|--:|--:|"]
    lines += [f"| {block['title']} | {block['fmax_mhz']:.0f} | {block['comb']:,} | {block['ff']:,} | {block['dsp']} | "
              f"{block['bram']} |" for block in report["blocks"].values()]
    return "\n".join(lines)


def router_table(report: dict) -> str:
    """What a hop costs."""
    lines = [f"| router on {report['device']} | bits of a link | TRELLIS_COMB a link bit | MHz | cycles a hop |",
             "|---|--:|--:|--:|--:|"]
    for block in report["blocks"].values():
        if "link_bits" in block:
            lines.append(f"| {block['title']} | {block['link_bits']} | {block['comb_per_link_bit']:.1f} | "
                         f"{block['fmax_mhz']:.0f} | {block['cycles_per_hop']} |")
    return "\n".join(lines)


Tables = Mapping[str, Callable[[dict], str]]
TABLES: Tables = {"fpga": full_table, "fpga-short": short_table, "fpga-router": router_table}
"""By the marker: a document has the lines ``<!-- NAME:begin … -->`` and ``<!-- NAME:end -->``."""


def fill(text: str, report: dict, document: str = "document", tables: Tables = TABLES) -> tuple[str, int]:
    """``text`` with each of ``tables`` replaced, and how many there are."""
    lines, count = text.split("\n"), 0
    for name, table in tables.items():
        begins = [at for at, line in enumerate(lines) if line.startswith(f"<!-- {name}:begin")]
        ends = [at for at, line in enumerate(lines) if line.startswith(f"<!-- {name}:end")]
        if not begins and not ends:
            continue
        if len(begins) != 1 or len(ends) != 1 or ends[0] < begins[0]:
            raise TableError(f"{document}: expected one line <!-- {name}:begin -->, then one <!-- {name}:end -->")
        lines[begins[0] + 1:ends[0]] = table(report).split("\n")
        count += 1
    return "\n".join(lines), count


def update(path: Path, report: dict, tables: Tables = TABLES) -> bool:
    """Write the report's tables into a document; whether it has any."""
    before = path.read_text(encoding="utf-8")
    text, count = fill(before, report, str(path), tables)
    if text != before:
        path.write_text(text, encoding="utf-8")
    return count > 0
