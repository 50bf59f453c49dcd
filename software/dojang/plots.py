"""Pictures of figures, as SVG: the same picture for the same figures. The only module that imports matplotlib."""

import hashlib
import importlib.util
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import DojangError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["EXL3", "PlotError", "check_installed", "digest", "draw_lockstep", "draw_quality", "picture"]

EXL3 = {4.0: 1.02, 3.0: 1.084, 2.5: 1.26, 2.0: 1.64}
"""Perplexity over that of the base, by bits a weight, as published for a model of 1 B weights."""

TEXTS = ("lee", "pydoc")
"""The two texts of the figures of quality."""

STYLE: dict[Any, Any] = {
    "svg.hashsalt": "dojang",       # names of clip paths
    "svg.fonttype": "none",         # text stays text
    "font.size": 9, "axes.titlesize": 10, "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True,
    "grid.color": "#dddddd", "grid.linewidth": 0.6, "legend.frameon": False,
}


class PlotError(DojangError):
    """A picture cannot be drawn."""


def check_installed() -> None:
    """PlotError if matplotlib is not there; nothing is imported."""
    if importlib.util.find_spec("matplotlib") is None:
        raise PlotError("drawing needs matplotlib, which is not installed (pip install 'dojang[plots]', or in a clone "
                        ".venv/bin/pip install -e '.[plots]')")


def digest(figures: dict) -> str:
    """Names the figures inside their picture."""
    return f"sha256:{hashlib.sha256(json.dumps(figures, sort_keys=True).encode()).hexdigest()}"


def draw_lockstep(figures: dict, path: Path) -> None:
    """Time over units, a panel for each kind of block: ``figures`` as `lockstep.simulate` gives them."""
    if not isinstance(figures, dict) or not {"model", "units", "curves"} <= figures.keys():
        raise PlotError("the figures lack 'model', 'units' or 'curves', expected those of dojang bench lockstep --json")
    blocks = list(dict.fromkeys(curve["block"] for curve in figures["curves"]))
    sparsities = list(dict.fromkeys(curve["sparsity"] for curve in figures["curves"]))
    with picture(figures, path, (4.6 * len(blocks) + 1.2, 4)) as figure:
        from matplotlib import colormaps

        colours = [colormaps["viridis"](0.92 * at / max(1, len(sparsities) - 1)) for at in range(len(sparsities))]
        colour = dict(zip(sparsities, colours, strict=True))
        panels = figure.subplots(1, len(blocks), squeeze=False)[0]
        for block, panel in zip(blocks, panels, strict=True):
            for curve in figures["curves"]:
                if curve["block"] == block:
                    random = curve["mask"] == "random"
                    panel.plot(figures["units"], curve["time"], "--" if random else "-o", markersize=2.5,
                               linewidth=1 if random else 1.5, color=colour[curve["sparsity"]])
            panel.axhline(1, color="#b02020", linewidth=1.8)
            panel.annotate("fixed-rate code: 1", (figures["units"][-1], 1), (0, -4), textcoords="offset points",
                           ha="right", va="top", color="#b02020")
            panel.set_xscale("log", base=2)
            panel.set_xticks(figures["units"], [f"{each:,}" for each in figures["units"]])
            panel.minorticks_off()
            panel.set_ylim(bottom=min(0.9, 1 - 0.06 * (panel.get_ylim()[1] - 1)))
            panel.set_title(f"blocks of {block.replace('x', ' × ')} weights")
            panel.set_xlabel("units in lock step")
        panels[0].set_ylabel("time ÷ time at the fixed rate (simulated)")
        lines = [panels[0].plot([], [], color=colour[each], label=f"S = {each:g}")[0] for each in reversed(sparsities)]
        lines += [panels[0].plot([], [], "--", linewidth=1, color="#555555", label="random mask")[0]]
        if figures["model"] is not None:
            lines += [panels[0].plot([], [], "-o", markersize=2.5, color="#555555",
                                     label=f"{figures['model']},\nmagnitude")[0]]
        figure.legend(handles=lines, loc="outside right upper")


def draw_quality(figures: dict, path: Path) -> None:
    """Perplexity over all-in bits, a panel for each text, points numbered; the list has the bytes a token.

    ``figures``: ``base`` (``lee``, ``pydoc``: perplexity of the uncompressed model) and ``rows``, each with ``name``,
    ``bits_per_weight``, ``bytes_per_token``, ``lee``, ``pydoc``, ``tuned``, ``label``.
    """
    base, rows = _quality(figures)
    rows = sorted(rows, key=lambda row: (-row["bits_per_weight"], row["name"], row["tuned"]))
    kinds = ", ".join(sorted({row["label"] for row in rows}))
    half = -(-len(rows) // 2)
    with picture(figures, path, (10.5, 4.8 + 0.17 * (half + 1))) as figure:
        upper, lower = figure.subfigures(2, 1, height_ratios=(4.8, 0.17 * (half + 1)))
        panels = upper.subplots(1, len(TEXTS))
        for text, panel in zip(TEXTS, panels, strict=True):
            panel.set_yscale("log")
            for tuned, marker, color, label in ((False, "o", "#205090", "as compressed"),
                                                (True, "D", "#c05010", "scales tuned")):
                some = [row for row in rows if row["tuned"] == tuned]
                panel.plot([row["bits_per_weight"] for row in some], [row[text] for row in some], marker,
                           markersize=4.5, color=color, label=f"{label} ({kinds})")
            for number, row in enumerate(rows, 1):
                panel.annotate(str(number), (row["bits_per_weight"], row[text]), (4, 2), textcoords="offset points",
                               fontsize=7)
            panel.axhline(base[text], color="#555555", linewidth=1, label="base")
            panel.plot(list(EXL3), [base[text] * factor for factor in EXL3.values()], "--", color="#909090", marker="x",
                       markersize=4, label="EXL3 on a 1B model, published: its ÷ base times this base")
            relative = panel.secondary_yaxis("right", functions=(lambda y, b=base[text]: y / b,
                                                                 lambda y, b=base[text]: y * b))
            relative.set_ylabel("÷ base")
            for axes in (panel, relative):
                _plain_ticks(axes)
            panel.set_title(f"text: {text} (base {base[text]:.1f})")
            panel.set_xlabel("all-in bits a weight")
            panel.set_ylabel("perplexity")
        upper.legend(handles=panels[0].get_legend_handles_labels()[0], loc="outside upper center", ncols=4)
        listing = [f"{number}  {row['name']}{', scales tuned' if row['tuned'] else ''}: {row['bits_per_weight']:.2f} "
                   f"bits, {row['bytes_per_token'] / 1e6:.1f} MB a token" for number, row in enumerate(rows, 1)]
        for left, lines in ((0.05, listing[:half]), (0.53, listing[half:])):
            lower.text(left, 1, "\n".join(lines), va="top", fontsize=8)


def _plain_ticks(axes) -> None:
    """Plain numbers on a logarithmic axis."""
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    axes.yaxis.set_major_locator(LogLocator(subs=(1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 7)))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _quality(figures: dict) -> tuple[dict, list[dict]]:
    """Base and rows, checked."""
    base, rows = (figures.get("base"), figures.get("rows")) if isinstance(figures, dict) else (None, None)
    if not isinstance(base, dict) or not isinstance(rows, list) or not rows or not all(
            isinstance(row, dict) for row in rows):
        raise PlotError("the figures of quality lack 'base' or 'rows', expected both and at least one row")
    for row, keys in ((base, TEXTS), *((row, ("bits_per_weight", "bytes_per_token", *TEXTS)) for row in rows)):
        name = row.get("name") or "base"
        for key in keys:
            if not isinstance(row.get(key), int | float) or not row[key] > 0:
                raise PlotError(f"the figures of quality have {key}={row.get(key)!r} for {name}, expected a number "
                                "above 0")
    return base, [{"name": "?", "tuned": False, "label": "?", **row} for row in rows]


@contextmanager
def picture(figures: dict, path: Path, size: tuple[float, float]) -> Iterator["Figure"]:
    """A matplotlib figure, written to ``path`` when it has been drawn."""
    check_installed()
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(STYLE):
        figure = Figure(figsize=size, layout="constrained")
        yield figure
        try:
            figure.savefig(path, format="svg", facecolor="white",
                           metadata={"Date": None, "Creator": None, "Identifier": digest(figures)})
        except OSError as error:
            raise PlotError(f"cannot write {path}: {error.strerror}") from None
