"""Places that can hold a model: regular files only, since a pipe never ends and a device has no size."""

import stat
from pathlib import Path

from .errors import CheckpointError

__all__ = ["require_regular"]


def require_regular(path: Path) -> int:
    """Size in bytes of the regular file ``path``; raises `CheckpointError` for anything else, without opening it."""
    try:
        status = path.stat()
    except FileNotFoundError:
        raise CheckpointError(f"model file {path} does not exist") from None
    except (OSError, ValueError) as error:  # ValueError: a null character
        raise CheckpointError(f"model file {path} cannot be read: {getattr(error, 'strerror', error)}") from None
    if stat.S_ISDIR(status.st_mode):
        raise CheckpointError(f"model file {path} cannot be read: Is a directory, expected one with a "
                              "config.json, or a file")
    if not stat.S_ISREG(status.st_mode):
        kind = "a pipe" if stat.S_ISFIFO(status.st_mode) else "a device or socket"
        raise CheckpointError(f"model file {path} is {kind}, expected a regular file")
    return status.st_size
