"""Tables of kept figures inside the documentation."""

from collections.abc import Callable
from pathlib import Path

from ..errors import DojangError
from .console import console

__all__ = ["update_document"]


def update_document(document: Path, figures: dict, tables: dict[str, Callable[[dict], str]]) -> None:
    """Make the tables of ``document`` anew, each between the markers of its name, if the document is there."""
    from dojang_fpga.table import TableError, update

    try:
        if document.exists() and update(document, figures, tables):
            console.print(f"table: {document}")
    except TableError as error:
        raise DojangError(str(error)) from None
