"""Rooms: inside the four packages no import climbs, and no two modules need each other."""

import ast
import re
from graphlib import CycleError, TopologicalSorter
from importlib.util import find_spec
from pathlib import Path

import pytest

PACKAGES = ("dojang_hdl", "dojang_sim", "dojang_fpga", "dojang")

HARDWARE = (
    ("config", "isa", "window_code", "counters", "memory_control", "blackbox", "block_memory", "clock_gate"),
    ("streams", "sram_port", "event_counters", "memory", "arith"),
    ("memory_arbiter", "register_slice", "engine", "vector", "mesh", "guard"),
    ("lpddr4", "node", "host"),
    ("chip",),
)
"""Floors of the hardware, the lowest first: a room imports from itself and from lower floors only, except that what
stands on one floor may be used by what stands right of it.
"""


def _folder(package: str) -> Path:
    spec = find_spec(package)
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent


def modules(package: str) -> dict[str, Path]:
    folder = _folder(package)
    names = {}
    for path in folder.rglob("*.py"):
        parts = path.relative_to(folder).with_suffix("").parts
        names[".".join((package, *(part for part in parts if part != "__init__")))] = path
    return names


def imports(name: str, path: Path, known) -> set[str]:
    """Modules of ``known`` that the file imports, wherever in it."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package.split(".")[:len(package.split(".")) + 1 - node.level]) if node.level else ""
            origin = ".".join(filter(None, (base, node.module)))
            found |= {f"{origin}.{alias.name}" if f"{origin}.{alias.name}" in known else origin
                      for alias in node.names}
    return (found & set(known)) - {name}


@pytest.mark.parametrize("package", PACKAGES)
def test_no_two_modules_need_each_other(package):
    known = modules(package)
    graph = {name: imports(name, path, known) for name, path in known.items()}
    assert any(graph.values()) or len(known) < 3
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"these import each other: {' <- '.join(error.args[1])}")


def test_no_import_of_the_hardware_climbs():
    rank = {room: number for number, room in enumerate(room for floor in HARDWARE for room in floor)}
    known = modules("dojang_hdl")
    climbs = []
    for name, path in known.items():
        if name == "dojang_hdl":
            continue
        room = name.split(".")[1]
        assert room in rank, f"room {room!r} has no floor"
        climbs += [f"{name} imports {other}" for other in imports(name, path, known)
                   if rank[other.split(".")[1]] > rank[room]]
    assert climbs == []


@pytest.mark.parametrize("package, room", [
    ("dojang_hdl", ""), ("dojang_sim", ".golden"), ("dojang", ".compile"), ("dojang", ".fast")])
def test_what_computes_names_no_family(package, room):
    """Models are known there by their description; families are for files."""
    from dojang.checkpoints.families import FAMILIES

    named = re.compile("|".join(FAMILIES), re.IGNORECASE)
    folder = _folder(package).joinpath(*filter(None, room.split(".")))
    files = [path for path in folder.rglob("*") if path.suffix in (".py", ".cpp", ".h")]
    assert len(files) > 5
    assert [(path.name, found[0]) for path in files if (found := named.search(path.read_text()))] == []
