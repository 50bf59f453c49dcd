"""Kept figures, and their tables inside the documentation."""

import json
from collections.abc import Callable
from pathlib import Path

from rich.table import Table

from ..errors import DojangError
from .console import console
from .output_file import write_json

__all__ = ["keep", "markdown", "read_figures", "table_of", "update_document"]


def update_document(document: Path, figures: dict, tables: dict[str, Callable[[dict], str]]) -> None:
    """Make the tables of ``document`` anew, each between the markers of its name, if the document is there."""
    from dojang_fpga.table import TableError, update

    try:
        if document.exists() and update(document, figures, tables):
            console.print(f"table: {document}")
    except TableError as error:
        raise DojangError(str(error)) from None


def keep(figures: dict, json_file: Path | None, kept: Path, document: Path,
         tables: dict[str, Callable[[dict], str]]) -> None:
    """Write ``figures`` and say where; if that is the file that is ``kept``, `update_document`."""
    if json_file is None:
        return
    write_json(json_file, figures, ascii_only=False)
    console.print(f"figures: {json_file}")
    if json_file == kept:
        update_document(document, figures, tables)


def markdown(rows: list[list[str]]) -> str:
    """A table, the first of ``rows`` is its heading."""
    return "\n".join(f"| {' | '.join(row)} |" for row in (rows[0], ["--:"] * len(rows[0]), *rows[1:]))


def table_of(rows: list[list[str]], title: str | None = None) -> Table:
    """The same for a terminal."""
    table = Table(*rows[0], title=title)
    for row in rows[1:]:
        table.add_row(*row)
    return table


def read_figures(path: Path) -> dict:
    """Figures in a file, empty if there are none."""
    if not path.exists() or not path.stat().st_size:
        return {}
    try:
        figures = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DojangError(f"{path} is not JSON, expected figures of this command: {error}") from None
    if not isinstance(figures, dict):
        raise DojangError(f"{path} has no figures of this command")
    return figures
