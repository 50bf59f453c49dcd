"""The one place where expected errors become a sentence on stderr and exit code 2."""

import typer
from dojang_hdl.config import ConfigError
from rich.console import Console
from typer.core import TyperGroup

from ..errors import DojangError

console = Console(stderr=True, highlight=False)
"""Everything but the result goes to stderr: progress, messages, tables of `generate`."""


class ErrorBoundary(TyperGroup):
    """A command group that prints expected errors instead of a traceback."""

    def invoke(self, ctx):
        try:
            return super().invoke(ctx)
        except (DojangError, ConfigError) as error:
            typer.echo(f"dojang: {' '.join(str(error).split())}", err=True)
            raise typer.Exit(2) from None
