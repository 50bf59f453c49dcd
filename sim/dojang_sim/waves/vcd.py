"""The header of a VCD."""

from dataclasses import dataclass
from pathlib import Path

__all__ = ["Header", "read_header"]


@dataclass(frozen=True)
class Header:
    """``widths``: bits of each variable by its path (scopes and name joined by dots); ``start``: the first time."""

    widths: dict[str, int]
    names: dict[str, str]
    start: int


def read_header(path: Path) -> Header:
    """Read declarations and the first time stamp. ``names`` are the paths as GTKWave's save files spell them."""
    widths, names, scopes, start = {}, {}, [], 0
    with path.open() as file:
        for line in file:
            words = line.split()
            match words[:1]:
                case ["$scope"]:
                    scopes.append(words[2])
                case ["$upscope"]:
                    scopes.pop()
                case ["$var"]:
                    name = words[4]
                    # GTKWave marks names that hold its separator of scopes, and appends the range of vectors.
                    shown = ("\\" if "." in name else "") + name + (words[5] if words[5] != "$end" else "")
                    key = ".".join((*scopes, name))
                    widths[key], names[key] = int(words[2]), ".".join((*scopes, shown))
            if line.startswith("#"):
                start = int(line[1:])
                break
    return Header(widths, names, start)
