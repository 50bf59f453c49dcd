"""The model that a compressed one was made from; numpy only."""

from pathlib import Path

from ..checkpoints import Checkpoint, CheckpointError, load
from ..checkpoints.container import is_container, read_description
from ..compress.source import source_sha256
from .errors import TuneError

__all__ = ["check_tokens", "find_base"]

PACKAGED = ("smollm2", "glassllm")


def find_base(path: Path) -> Checkpoint:
    """The model that the container's description names: in a package, beside the container, or in this folder.

    Raises
    ------
    TuneError: the file is no container, or its model is not found.
    """
    if not path.is_file() or not is_container(path):
        raise TuneError(f"{path} is not a file that dojang compress has written, expected a compressed model")
    description = read_description(path)
    name = description["name"]
    if name in PACKAGED:
        try:
            return _checked(load(name), path, description)
        except CheckpointError as error:
            raise TuneError(f"{path} was made from {name}: {error}; or give --against") from None
    places = [folder / Path(name).name for folder in (path.parent, Path())]
    found = next((place for place in places if place.is_file() and not place.samefile(path)), None)
    if found is None:
        raise TuneError(f"{path} was made from {name!r}, which is neither beside it nor in this folder; give "
                        "--against MODEL")
    return _checked(load(found), path, description)


def _checked(base: Checkpoint, path: Path, description: dict) -> Checkpoint:
    if source_sha256(base) != description["source_sha256"]:
        raise TuneError(f"{path} was made from another {base.name} than the one found; give --against MODEL")
    return base


def check_tokens(checkpoint: Checkpoint, base: Checkpoint) -> None:
    """TuneError unless both models speak of the same tokens."""
    if base.shape.vocab != checkpoint.shape.vocab or list(base.tokenizer.tokens) != list(checkpoint.tokenizer.tokens):
        raise TuneError(f"{base.name} has other tokens than {checkpoint.name}, its predictions cannot be the target")
