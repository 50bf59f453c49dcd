import lzma
from pathlib import Path

import pytest
from dojang_sim.lpddr4 import Command, Memspec, read_memspec

DATA = Path(__file__).parent / "data"
SPEEDS = ("0533", "1600")


@pytest.fixture(scope="session")
def labelled() -> dict[str, tuple[Memspec, list[tuple]]]:
    """By speed: memspec, and (time, command, bank, earliest, ok) of every line."""
    traces = {}
    for speed in SPEEDS:
        lines = lzma.decompress((DATA / f"trace_{speed}.txt.xz").read_bytes()).decode().splitlines()
        rows = [line.split() for line in lines if not line.startswith("#")]
        traces[speed] = read_memspec(DATA / f"memspec_{speed}.json"), [
            (int(time), Command(command), int(bank), int(earliest), label == "ok")
            for time, command, bank, earliest, label in rows]
    return traces


@pytest.fixture(scope="session")
def slow() -> Memspec:
    return read_memspec(DATA / "memspec_0533.json")
