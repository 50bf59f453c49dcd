"""The roofline of a chip, with measured points."""

from pathlib import Path
from typing import Any

from dojang_hdl.config import ChipConfig

from ..plots import picture

__all__ = ["draw_roofline"]


def draw_roofline(figures: dict[str, Any], config: ChipConfig, path: Path) -> None:
    """Plane bits a cycle over plane bits a byte, of passes and of the phases of the last; ``figures``: profile.json.

    A bit counts once for every vector that it is applied to. The words of a phase are those of its own STREAMs, which
    move ahead of it, so that a phase can be above the memory's roof; a pass cannot.
    """
    peak, engines = config.peak_bytes_per_cycle, config.plane_bits_per_cycle
    passes = figures["passes"]
    points = {f"{found['tokens']} token{'s' * (found['tokens'] > 1)} a pass": (
        found["plane_bits"] / found["bytes"], found["plane_bits"] / found["cycles"], found["tokens"])
        for found in passes}
    phases = {name: (phase["plane_bits"] / phase["streamed_bytes"], phase["plane_bits"] / phase["cycles"])
              for name, phase in passes[-1]["phases"].items() if phase["plane_bits"] and phase["streamed_bytes"]}
    intensities = [point[0] for point in (*points.values(), *phases.values())]
    knees = {vectors: engines * vectors / peak for vectors in sorted({1, *(found["tokens"] for found in passes)})}
    low, high = min(*intensities, *knees.values()) / 2, max(*intensities, *knees.values()) * 2
    with picture(figures, path, (6.5, 4.5)) as figure:
        axes = figure.subplots()
        axes.set_xscale("log", base=2)
        axes.set_yscale("log", base=2)
        for vectors, knee in knees.items():
            axes.plot([low, knee, high], [low * peak, engines * vectors, engines * vectors], color="#555555",
                      linewidth=1, linestyle="-" if vectors == 1 else "--",
                      label=f"roofs of memory ({peak} bytes a cycle) and engines ({engines} bits × {vectors})")
        for name, (x, y) in phases.items():
            axes.plot([x], [y], "o", markersize=4, color="#c05010", label="a phase" if name == next(iter(phases)) else
                      None)
            axes.annotate(name, (x, y), (4, -3), textcoords="offset points", fontsize=7)
        for name, (x, y, _) in points.items():
            axes.plot([x], [y], "D", markersize=6, color="#205090")
            axes.annotate(name, (x, y), (6, 3), textcoords="offset points", fontsize=8, color="#205090")
        axes.set_xlabel("plane bits applied for each byte of memory")
        axes.set_ylabel("plane bits applied a cycle (simulated)")
        axes.set_title(f"{figures['model']} on {figures['chip']}, {figures['memory']} memory")
        axes.legend(loc="upper left", fontsize=7)
