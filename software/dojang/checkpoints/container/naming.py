"""What a container is known by."""

from pathlib import Path

__all__ = ["KEY", "SUFFIX", "VERSION", "is_container"]

VERSION = 2
SUFFIX = ".dojang"
KEY = "dojang"
"""Of the description in the file's metadata."""


def is_container(path: Path) -> bool:
    """By its name, or by the JSON that begins at the ninth byte of every safetensors file.

    The ninth byte of a GGUF file counts tensors, and may be the same.
    """
    try:
        with open(path, "rb") as file:
            head = file.read(9)
            return path.suffix == SUFFIX or (head[8:] == b"{" and not head.startswith(b"GGUF"))
    except OSError:
        return False
