"""The one place where expected errors become a sentence on stderr and exit code 2."""

import sys

import typer
from dojang_hdl.config import ConfigError
from rich.console import Console
from typer.core import TyperGroup

from ..driver.link import LinkError
from ..driver.transport import TransportError
from ..errors import DojangError

console = Console(stderr=True, highlight=False)
"""Everything but the result goes to stderr: progress, messages, tables of `generate`."""


class ErrorBoundary(TyperGroup):
    """A command group that prints expected errors instead of a traceback."""

    def invoke(self, ctx):
        try:
            return super().invoke(ctx)
        except Exception as error:
            if not isinstance(error, _expected()):
                raise
            typer.echo(f"dojang: {' '.join(str(error).split())}", err=True)
            raise typer.Exit(2) from None


def _expected() -> tuple[type[Exception], ...]:
    # The simulator is imported on demand; while it is not, it cannot have raised its error.
    toolchain = sys.modules.get("dojang_sim.toolchain")
    simulator = () if toolchain is None else (toolchain.ToolchainError,)
    return DojangError, ConfigError, LinkError, TransportError, *simulator
