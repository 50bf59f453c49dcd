"""Deliberately broken hardware: tests that pass on the real component must fail on it."""

import importlib
import inspect
from collections.abc import Sequence
from types import ModuleType

__all__ = ["mutate", "source_with"]


def source_with(module: str, old: str) -> str:
    """The source of ``module``; if ``old`` is not in it the mutation is out of date, a ValueError."""
    source = inspect.getsource(importlib.import_module(module))
    if old not in source:
        raise ValueError(f"mutation of {module} does not apply: {old!r}")
    return source


def mutate(module: str, old: str, new: str, users: Sequence[str] = ()) -> ModuleType:
    """A fresh copy of ``module`` in whose source every ``old`` has become ``new``; nothing else sees it.

    Parameters
    ----------
    users: modules that use it, each of them perhaps through the one before; they are copied as well, with the classes
        of the copies before in place of the originals, and the last copy is returned.

    Raises
    ------
    ValueError: ``old`` is not in the source: the mutation is out of date.
    """
    copies: dict[str, ModuleType] = {}
    for name in (module, *users):
        original = importlib.import_module(name)
        source = source_with(name, old).replace(old, new) if name == module else inspect.getsource(original)
        copy = ModuleType(original.__name__)
        copy.__package__, copy.__file__ = original.__package__, original.__file__
        exec(compile(source, str(original.__file__), "exec"), copy.__dict__)
        for key, value in vars(copy).copy().items():
            home = copies.get(getattr(value, "__module__", ""))
            if inspect.isclass(value) and home is not None and value.__name__ == key:
                setattr(copy, key, getattr(home, key))
        copies[name] = copy
    return copies[(module, *users)[-1]]
