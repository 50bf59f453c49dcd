"""The one place where expected errors become a sentence on stderr and exit code 2."""

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import typer
from dojang_hdl.config import ConfigError
from typer.core import TyperGroup

from ..driver.link import LinkError
from ..driver.transport import TransportError
from ..errors import DojangError
from ..interrupts import INTERRUPTED, interrupts
from ..streams import OutputError
from .console import console

__all__ = ["ErrorBoundary"]


ON_DEMAND = (("dojang_sim.toolchain", "ToolchainError"), ("dojang_fpga.memory.core", "CoreError"))
"""Errors of modules that are imported when they are needed; before, they cannot have been raised."""

USAGE_ERROR = typer.BadParameter.__mro__[1]
"""Of click, which typer has inside or beside it."""


class ErrorBoundary(TyperGroup):
    """A command group that prints expected errors instead of a traceback, and ends cleanly on Ctrl-C."""

    def make_context(self, *args, **options):
        with _boundary():
            return super().make_context(*args, **options)

    def invoke(self, ctx):
        with _boundary():
            return super().invoke(ctx)


@contextmanager
def _boundary() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        console.print("stopped by Ctrl-C")
        raise typer.Exit(INTERRUPTED) from None
    except OutputError:
        raise  # of `dojang.main`: there may be nowhere to print to
    except Exception as error:
        if interrupts.pending and not isinstance(error, typer.Exit):  # what Ctrl-C made of something
            console.print("stopped by Ctrl-C")
            raise typer.Exit(INTERRUPTED) from None
        sentence = _sentence(error)
        if sentence is None:
            raise
        warnings.simplefilter("ignore")  # what is left half made is no news
        console.print(f"dojang: {' '.join(line.strip() for line in sentence.splitlines())}")
        raise typer.Exit(2) from None


def _sentence(error: Exception) -> str | None:
    """What to tell of an error; None if it is a defect of the program, or no error."""
    if isinstance(error, USAGE_ERROR) and type(error).__name__ != "NoArgsIsHelpError":
        return _bad_value(error) if isinstance(error, typer.BadParameter) and error.message else _small(
            cast(Any, error).format_message())
    if isinstance(error, _expected()):
        return str(error)
    if isinstance(error, MemoryError):
        return f"not enough memory: {error}" if str(error) else "not enough memory"
    if isinstance(error, OSError) and error.strerror:  # the system refuses; whoever can say more has said it
        return f"{error.filename or 'the system'}: {error.strerror}"
    return None


def _bad_value(error: typer.BadParameter) -> str:
    """A sentence with the option and its value, which the typer of today leaves out."""
    name = error.param_hint or (error.param.opts[-1] if error.param is not None else "")
    errors = getattr(error.__cause__, "errors", list)()
    value = f" {errors[0]['input']!r}" if errors else ""
    return f"{name}{value}: {_small(error.message.removeprefix('Value error, '))}"


def _small(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]


def _expected() -> tuple[type[Exception], ...]:
    found = (getattr(sys.modules.get(module), error, None) for module, error in ON_DEMAND)
    return DojangError, ConfigError, LinkError, TransportError, *filter(None, found)
