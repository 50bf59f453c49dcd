"""Models that are split into several files, ``NAME-00001-of-00003.gguf`` and so on."""

import re
from pathlib import Path

from ..errors import CheckpointError, named, shown
from .header import Header

__all__ = ["read_parts"]

NUMBER, COUNT, TENSORS = "split.no", "split.count", "split.tensors.count"


def read_parts(path: Path) -> list[Header]:
    """Headers of all parts of the model that ``path`` belongs to, in order; of the one file if it is not split.

    Raises
    ------
    CheckpointError: a part is missing or damaged, or the parts are not of one model.
    """
    given = Header(path)
    number, count = _whole(given, NUMBER, 0), _whole(given, COUNT, 1)
    if count <= 1 and number == 0:
        return [given]
    if number >= count:
        raise CheckpointError(f"{path} says that it is part {number + 1} of {count} of a split file")
    what = f"part {number + 1} of {count} of a split file"
    match = re.fullmatch(r"(.*)-(\d{5})-of-(\d{5})\.gguf", path.name, re.DOTALL)
    if match is None or (int(match[2]), int(match[3])) != (number + 1, count):
        raise CheckpointError(f"{path} is {what}, and the others cannot be found: expected a name that ends with "
                              f"-{number + 1:05d}-of-{count:05d}.gguf")
    paths = [path.with_name(f"{match[1]}-{index + 1:05d}-of-{count:05d}.gguf") for index in range(count)]
    missing = [index for index, other in enumerate(paths) if not other.exists()]
    if missing:
        others = f", and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise CheckpointError(f"{path} is {what}: part {missing[0] + 1} of {count}, {paths[missing[0]].name}, is "
                              f"missing{others}")
    parts = [given if index == number else Header(other) for index, other in enumerate(paths)]
    _check(parts)
    return parts


def _check(parts: list[Header]) -> None:
    """The parts agree on their numbers, byte order and tensors."""
    names: set[str] = set()
    for index, part in enumerate(parts):
        what = f"{part.path}, part {index + 1} of {len(parts)} of a split file,"
        numbers = _whole(part, NUMBER, 0) + 1, _whole(part, COUNT, 1)
        if numbers != (index + 1, len(parts)):
            raise CheckpointError(f"{what} says that it is part {numbers[0]} of {numbers[1]}")
        if part.order != parts[0].order:
            raise CheckpointError(f"{what} has another byte order than part 1")
        twice = names & part.tensors.keys()
        if twice:
            raise CheckpointError(f"{what} has tensor {named(min(twice))} of another part again")
        names |= part.tensors.keys()
    expected = _whole(parts[0], TENSORS, len(names))
    if expected != len(names):
        raise CheckpointError(f"{parts[0].path}, part 1 of {len(parts)} of a split file, says that all parts have "
                              f"{expected} tensors, but they have {len(names)}")


def _whole(part: Header, key: str, default: int) -> int:
    """A number of the split, or ``default``."""
    field = part.fields.get(key)
    value = default if field is None else field.value()
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 31:
        raise CheckpointError(f"{part.path}: {key}, of a split file, is {shown(value)}, expected a count")
    return value
