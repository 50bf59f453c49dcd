"""Tables of the documentation that are made from the code: ``python -m dojang.cli.reference`` makes them anew."""

import inspect
import types
import typing
from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path

import typer
from typer.models import ArgumentInfo, OptionInfo

from ..checkpoints.families.document import document as family_table
from ..checkpoints.gguf.keys import document as key_tables
from . import app
from .documents import update_document

__all__ = ["TABLES", "option_tables", "update_tables"]

METAVARS = {int: "N", float: "NUMBER", str: "TEXT", Path: "PATH"}


def option_tables() -> str:
    """A table for each command, as Markdown."""
    parts = []
    for name, function in _commands(app, "dojang"):
        rows = list(_rows(function))
        summary = (inspect.getdoc(function) or "").partition("\n\n")[0].replace("\n", " ")
        parts.append(f"### {name}\n\n{summary}\n\n| | |\n|---|---|\n" + "\n".join(rows) if rows else
                     f"### {name}\n\n{summary}")
    return "\n\n".join(parts)


TABLES = {"options": (Path("docs/user/command-line.md"), option_tables),
          "keys": (Path("docs/reference/gguf.md"), key_tables),
          "families": (Path("docs/reference/families.md"), family_table)}
"""Page and maker by the name in the markers around the tables, ``<!-- options:begin -->`` and so on."""


def update_tables() -> None:
    """Make all `TABLES` anew."""
    for name, (page, make) in TABLES.items():
        update_document(page, {}, {name: lambda _, make=make: make()})


def _commands(group: typer.Typer, prefix: str) -> Iterator[tuple[str, Callable]]:
    for command in group.registered_commands:
        assert command.callback is not None
        yield f"{prefix} {command.name or command.callback.__name__}", command.callback
    for inner in group.registered_groups:
        assert inner.typer_instance is not None
        yield from _commands(inner.typer_instance, f"{prefix} {inner.name}")


def _rows(function: Callable) -> Iterator[str]:
    hints = typing.get_type_hints(function, include_extras=True)
    for name, parameter in inspect.signature(function).parameters.items():
        kind, info = typing.get_args(hints[name])
        kind, several = _plain(kind)
        meaning = [_sentence(info.help or "")]
        if issubclass(kind, Enum):
            meaning.append(f"One of {', '.join(f'`{item.value}`' for item in kind)}.")
        meaning += _limits(info)
        if parameter.default is inspect.Parameter.empty:
            meaning.append("Required.")
        elif parameter.default not in (None, False) and info.show_default:
            default = parameter.default
            meaning.append(f"Default: `{default.value if isinstance(default, Enum) else default}`.")
        text = ' '.join(filter(None, meaning)).replace('|', '\\|')
        yield f"| `{_shown(name, kind, several, info)}` | {text} |"


def _plain(kind) -> tuple[type, bool]:
    """The type of one value, and whether there may be several."""
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        (kind,) = (each for each in typing.get_args(kind) if each is not type(None))
    if typing.get_origin(kind) is list:
        return typing.get_args(kind)[0], True
    return kind, False


def _shown(name: str, kind: type, several: bool, info: OptionInfo | ArgumentInfo) -> str:
    value = info.metavar or METAVARS.get(kind, name.upper())
    if isinstance(info, ArgumentInfo):
        return (info.metavar or name.upper()) + (" …" if several and not info.metavar else "")
    # The first name of an annotated option is where a default would be.
    given = [each for each in (info.default, *(info.param_decls or ())) if isinstance(each, str)]
    names = " ".join(given or [f"--{name.replace('_', '-')}"])
    if kind is bool:
        return names if given else f"{names}/--no-{names[2:]}"
    return f"{names} {value}".replace("|", "\\|") + (" …" if several else "")


def _limits(info: OptionInfo | ArgumentInfo) -> list[str]:
    if info.min is not None and info.max is not None:
        return [f"From {info.min:g} to {info.max:g}."]
    return [] if info.min is None else [f"At least {info.min:g}."]


def _sentence(text: str) -> str:
    """Of a help text, with a full stop."""
    text = " ".join(text.split())
    return text if not text or text.endswith((".", "?")) else f"{text}."


if __name__ == "__main__":
    update_tables()
