"""The one place where expected errors become a sentence on stderr and exit code 2."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer
from dojang_hdl.config import ConfigError
from rich.console import Console
from typer.core import TyperGroup

from ..driver.link import LinkError
from ..driver.transport import TransportError
from ..errors import DojangError

console = Console(stderr=True, highlight=False)
"""Everything but the result goes to stderr: progress, messages, tables of `generate`."""


INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""


@contextmanager
def working(text: str) -> Iterator[Callable[[str], None]]:
    """A status line while something takes long (on a terminal only); call what it yields with its next text."""
    with console.status(text) as status:
        yield status.update


class ErrorBoundary(TyperGroup):
    """A command group that prints expected errors instead of a traceback, and ends cleanly on Ctrl-C."""

    def invoke(self, ctx):
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            typer.echo("stopped by Ctrl-C", err=True)
            raise typer.Exit(INTERRUPTED) from None
        except Exception as error:
            if isinstance(error, typer.BadParameter):
                sentence = _bad_value(error)
            elif isinstance(error, _expected()):
                sentence = str(error)
            else:
                raise
            typer.echo(f"dojang: {' '.join(sentence.split())}", err=True)
            raise typer.Exit(2) from None


def _bad_value(error: typer.BadParameter) -> str:
    """A sentence with the option and its value, which the typer of today leaves out."""
    name = error.param_hint or (error.param.opts[-1] if error.param is not None else "")
    errors = getattr(error.__cause__, "errors", list)()
    value = f" {errors[0]['input']!r}" if errors else ""
    return f"{name}{value}: {error.message[:1].lower()}{error.message[1:]}"


def _expected() -> tuple[type[Exception], ...]:
    # The simulator is imported on demand; while it is not, it cannot have raised its error.
    toolchain = sys.modules.get("dojang_sim.toolchain")
    simulator = () if toolchain is None else (toolchain.ToolchainError,)
    return DojangError, ConfigError, LinkError, TransportError, *simulator
