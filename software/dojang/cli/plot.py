"""``dojang plot``: pictures of figures that other commands have written."""

import json
from pathlib import Path
from typing import Annotated

import typer

from ..plots import PlotError, check_installed, draw_lockstep, draw_quality
from .console import console
from .output_file import prepare

plot = typer.Typer(no_args_is_help=True, help="Draw figures of a JSON that another command has written.")

Svg = Annotated[Path, typer.Option("--svg", metavar="FILE", help="Picture to write.")]


@plot.command()
def quality(
    figures: Annotated[Path, typer.Argument(metavar="JSON", help="Perplexities, with base and rows.")],
    svg: Svg = Path("compression-quality.svg"),
):
    """All-in bits a weight and perplexity of compressed models, with EXL3's published curve beside them.

    Example: dojang plot quality docs/figures/compression-quality.json --svg docs/overview/compression-quality.svg
    """
    _draw(draw_quality, figures, svg)


@plot.command()
def lockstep(
    figures: Annotated[Path, typer.Argument(metavar="JSON", help="Of dojang bench lockstep --json.")],
    svg: Svg = Path("lockstep.svg"),
):
    """Units in lock step against a fixed rate.

    Example: dojang plot lockstep docs/figures/lockstep.json --svg docs/overview/lockstep.svg
    """
    _draw(draw_lockstep, figures, svg)


def _draw(draw, path: Path, svg: Path) -> None:
    check_installed()
    prepare(svg, path)
    try:
        figures = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PlotError(f"cannot read {path}: {error.strerror}") from None
    except ValueError:
        raise PlotError(f"{path} is not JSON, expected the figures of a command") from None
    draw(figures, svg)
    console.print(f"picture: {svg}")
