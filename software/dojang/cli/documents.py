"""Kept figures, and their tables inside the documentation."""

import json
from collections.abc import Callable
from pathlib import Path

from ..errors import DojangError
from .console import console

__all__ = ["read_figures", "update_document"]


def update_document(document: Path, figures: dict, tables: dict[str, Callable[[dict], str]]) -> None:
    """Make the tables of ``document`` anew, each between the markers of its name, if the document is there."""
    from dojang_fpga.table import TableError, update

    try:
        if document.exists() and update(document, figures, tables):
            console.print(f"table: {document}")
    except TableError as error:
        raise DojangError(str(error)) from None


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
