"""What commands print: results to standard output, everything else to standard error."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

__all__ = ["console", "output", "printable", "progress_bar", "working"]

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""What a terminal obeys in place of showing it; tabs and line ends are not among it."""


def printable(text: str) -> str:
    """``text`` with what would control the terminal written out."""
    return CONTROL.sub(lambda found: ascii(found[0])[1:-1], text)


class PlainConsole(Console):
    """Prints strings as they are, whether alone or in a table: no markup, no emoji, no colours for numbers.

    Lines of their own are not folded: names of files stay in one piece.
    """

    def __init__(self, stderr: bool = False):
        super().__init__(stderr=stderr, markup=False, emoji=False, highlight=False)

    def render_str(self, text, **options):
        return super().render_str(printable(text), **options)

    def print(self, *objects, **options):
        if all(isinstance(found, str) for found in objects):
            options.setdefault("soft_wrap", True)
        columns = os.environ.get("COLUMNS", "")
        if columns.isdigit() and int(columns):
            self.width = int(columns)  # for a dumb terminal, too
        super().print(*objects, **options)

    def on_broken_pipe(self) -> None:
        raise


console = PlainConsole(stderr=True)
"""Progress, messages, tables of `generate`."""

output = PlainConsole()
"""Results."""


@contextmanager
def working(text: str) -> Iterator[Callable[[str], None]]:
    """A status line while something takes long (on a terminal only); call what it yields with its next text."""
    def show(text: str) -> Text:
        return Text(printable(text))

    with console.status(show(text), spinner="line" if console.options.ascii_only else "dots") as status:
        yield lambda text: status.update(show(text))


def progress_bar(*columns: ProgressColumn) -> Progress:
    """A line with description, bar, ``columns`` and remaining time (on a terminal only), gone at its end."""
    return Progress(TextColumn("{task.description}", markup=False), BarColumn(), *columns, TimeRemainingColumn(),
                    console=console, transient=True, disable=not console.is_terminal)
