import json
from dataclasses import MISSING, fields
from pathlib import Path

import pytest
from dojang_sim.lpddr4 import Memspec, MemspecError, read_memspec

NAMES = [field.name for field in fields(Memspec)[2:]]
OPTIONAL = ["NWR", "NRTP", *(field.name for field in fields(Memspec) if field.default is not MISSING)]
SPEC = Path(__file__).parent / "data" / "memspec_0533.json"


def written(tmp_path, section=None, **values):
    """A memspec file with the values of ``section`` changed; None takes one out."""
    document = json.loads(SPEC.read_text())
    target = document["memspec"][section] if section else document["memspec"]
    target.update(values)
    for name in [name for name, value in values.items() if value is None and name in target]:
        del target[name]
    path = tmp_path / "memspec.json"
    path.write_text(json.dumps(document))
    return path


def test_values():
    memspec = read_memspec(SPEC)
    timing = json.loads(SPEC.read_text())["memspec"]["memtimingspec"]
    assert (memspec.banks, memspec.BURST) == (8, 8)
    assert (memspec.NWR, memspec.NRTP) == (memspec.WR, memspec.RTP)
    for name in set(NAMES) - {"NWR", "NRTP"}:
        assert getattr(memspec, name) == timing[name]


@pytest.mark.parametrize(("name", "value", "shown"), [
    (name, value, shown) for name in NAMES for value, shown in (
        (None, "missing"), (-1, "-1"), (4.5, "4.5"), (1e400, "Infinity"), ("5", '"5"'), (True, "true"), ([], "[]"))
    if value is not None or name not in OPTIONAL])
def test_bad_timing(tmp_path, name, value, shown):
    path = written(tmp_path, "memtimingspec", **{name: value})
    with pytest.raises(MemspecError) as error:
        read_memspec(path)
    least = 0 if name in ("DQSCK", "WPRE", "RPST") else 1
    assert str(error.value) == f"{path}: {name} is {shown}, expected a whole number of at least {least}"


@pytest.mark.parametrize(("section", "values", "message"), [
    (None, {"memoryType": "DDR4"}, 'memoryType is "DDR4", expected "LPDDR4"'),
    (None, {"memoryType": None}, 'memoryType is null, expected "LPDDR4"'),
    (None, {"memtimingspec": None}, "memtimingspec is missing, expected an object of memspec values"),
    (None, {"memarchitecturespec": 3}, "memarchitecturespec is not an object, expected an object of memspec values"),
    ("memarchitecturespec", {"nbrOfRanks": 2}, "nbrOfRanks is 2, expected 1"),
    ("memarchitecturespec", {"nbrOfBanks": 0}, "nbrOfBanks is 0, expected a whole number of at least 1"),
    ("memarchitecturespec", {"nbrOfBanks": 10**12}, "nbrOfBanks is 1000000000000, expected at most 64"),
    ("memtimingspec", {"RCD": 10**10}, "RCD is 10000000000, expected at most 1000000000"),
    ("memarchitecturespec", {"dataRate": 1}, "dataRate is 1, expected 2"),
    ("memarchitecturespec", {"burstLength": 8}, "burstLength is 8, expected 16 or 32"),
    ("memarchitecturespec", {"burstLength": 32}, "CCD is 8, expected at least the 16 tCK of a burst"),
])
def test_bad_part(tmp_path, section, values, message):
    path = written(tmp_path, section, **values)
    with pytest.raises(MemspecError) as error:
        read_memspec(path)
    assert str(error.value) == f"{path}: {message}"


@pytest.mark.parametrize(("content", "message"), [
    (b"RCD = 5", "not JSON (Expecting value"), (b"\xff\xfe\x00", "not JSON ("), (b"[" * 100_000, "not JSON ("),
    (b"1" * 5000, "not JSON (Exceeds"), (b"[]", "memspec is missing"), (b"{}", "memspec is missing"),
    (b"", "not JSON (")])
def test_bad_file(tmp_path, content, message):
    path = tmp_path / "memspec.json"
    path.write_bytes(content)
    with pytest.raises(MemspecError) as error:
        read_memspec(path)
    assert str(error.value).startswith(f"{path}: {message}")
    assert "expected" in str(error.value)
    assert "\n" not in str(error.value)


def test_no_file(tmp_path):
    with pytest.raises(MemspecError, match=r"missing: cannot be read \(No such file or directory\), expected"):
        read_memspec(tmp_path / "missing")


@pytest.mark.parametrize(("name", "value", "without"), [("CCDMW", 40, 32), ("REFI", 900, 0), ("NWR", 7, 6),
                                                         ("NRTP", 9, 8)])
def test_what_a_file_may_lack(tmp_path, name, value, without):
    """Read where a file has it; else 32, unknown, tWR and tRTP."""
    assert name in OPTIONAL and len(OPTIONAL) == 4
    assert getattr(read_memspec(written(tmp_path, "memtimingspec", **{name: value})), name) == value
    assert getattr(read_memspec(written(tmp_path, "memtimingspec", **{name: None})), name) == without


def test_long_bursts(tmp_path):
    document = json.loads(SPEC.read_text())
    document["memspec"]["memarchitecturespec"]["burstLength"] = 32
    document["memspec"]["memtimingspec"]["CCD"] = 16
    path = tmp_path / "memspec.json"
    path.write_text(json.dumps(document))
    assert read_memspec(path).BURST == 16
