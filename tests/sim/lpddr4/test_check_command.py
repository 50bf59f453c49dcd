"""``python -m dojang_sim.lpddr4.check``: output, formats, one sentence on bad input."""

import json
import lzma
import re
import subprocess
import sys
from pathlib import Path

import pytest

DATA = Path(__file__).parent / "data"
SPEC = DATA / "memspec_0533.json"


def run(*arguments):
    return subprocess.run([sys.executable, "-m", "dojang_sim.lpddr4.check", *map(str, arguments)], capture_output=True,
                          text=True, timeout=60)


def refused(*arguments) -> str:
    """The one line on standard error of a run that must fail."""
    result = run(*arguments)
    assert result.returncode == 2
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    return line


def test_whole_trace(tmp_path):
    """What it writes is what the labels say, character by character."""
    text = lzma.decompress((DATA / "trace_0533.txt.xz").read_bytes()).decode()
    trace = tmp_path / "trace.txt"
    trace.write_text(text)
    result = run(SPEC, trace)
    assert result.returncode == 0
    assert result.stdout == text.partition("\n")[2]
    (summary,) = result.stderr.splitlines()
    total, counts = re.fullmatch(r"20000 commands, (\d+) violations: (.*)", summary).groups()
    assert int(total) == text.count("viol\n")
    assert sum(int(entry.split()[1]) for entry in counts.split(", ")) == int(total)


def test_formats(tmp_path):
    """Comments, blank lines, any white space, a foreign line end, two commands at once, a wrong state."""
    trace = tmp_path / "trace.txt"
    trace.write_bytes(b"# head\r\n\r\n 3 ACT\t0 more columns\r\n3 RD 1 # closed\n3 PREPB 1\n0008 RD 0")
    result = run(SPEC, trace)
    assert result.returncode == 0
    assert result.stdout == "3 ACT 0 3 ok\n3 RD 1 - viol\n3 PREPB 1 7 viol\n8 RD 0 8 ok\n"
    assert result.stderr == "4 commands, 2 violations: OPEN 1, BUS4 1\n"


def test_remarks(tmp_path):
    """Beside the verdicts, which stay; only if they are wanted. A memspec without REFI knows of no deadline."""
    trace, memspec = tmp_path / "trace.txt", tmp_path / "memspec.json"
    trace.write_text("0 ACT 3\n9372 PREPB 3\n9400 REFPB 0\n9500 REFPB 0\n")
    document = json.loads(SPEC.read_text())
    del document["memspec"]["memtimingspec"]["REFI"]
    memspec.write_text(json.dumps(document))
    verdicts = "0 ACT 3 0 ok\n9372 PREPB 3 9372 ok\n9400 REFPB 0 9400 ok\n9500 REFPB 0 9500 ok\n"
    summary, again = "4 commands, 0 violations\n", "9500 REFPB 0: rule ROUND of bank 0, earliest -\n"
    opened = "9372 PREPB 3: rule tRAS_MAX of bank 3, latest 9371\n"
    missing = "".join(f"9372 PREPB 3: rule tREFI of bank {bank}, latest 9369\n" for bank in range(8))
    at_three = missing.index("9372 PREPB 3: rule tREFI of bank 3")
    for arguments, remarks in (((SPEC,), ""), ((memspec, "--remarks"), again),
                               ((SPEC, "--remarks"), missing[:at_three] + opened + missing[at_three:] + again)):
        result = run(*arguments, trace)
        assert (result.returncode, result.stdout, result.stderr) == (0, verdicts, remarks + summary)


def test_masked_writes(tmp_path):
    """tCCDMW in the same bank, tCCD elsewhere."""
    trace = tmp_path / "trace.txt"
    lines = ("0 ACT 0 0 ok", "4 ACT 1 4 ok", "12 WR 0 12 ok", "20 MWR 1 20 ok", "43 MWR 0 44 viol", "44 MWRA 0 44 ok",
             "52 WR 1 52 ok")
    trace.write_text("".join(f"{' '.join(line.split()[:3])}\n" for line in lines))
    assert run(SPEC, trace).stdout.splitlines() == list(lines)


def test_empty_trace(tmp_path):
    trace = tmp_path / "trace.txt"
    trace.touch()
    result = run(SPEC, trace)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "0 commands, 0 violations\n")


def test_help():
    result = run("--help")
    assert result.returncode == 0
    assert "Example: python -m dojang_sim.lpddr4.check memspec.json trace.txt" in " ".join(result.stdout.split())


@pytest.mark.parametrize(("line", "message"), [
    ("9 ACTIVATE 0", "command is ACTIVATE, expected one of ACT RD RDA WR WRA MWR MWRA PREPB PREAB REFPB "
                      "REFAB"),
    ("9 act 0", "command is act, expected one of ACT"),
    ("9 ACT 8", "bank is 8, expected 0 to 7"),
    ("9 PREAB 8", "bank is 8, expected 0 to 7"),
    ("9 ACT -1", "bank is -1, expected a whole number"),
    ("9.5 ACT 0", "time is 9.5, expected a whole number"),
    ("9_0 ACT 0", "time is 9_0, expected a whole number"),
    ("1" * 5000 + " ACT 0", "expected a whole number of at most 18 digits"),
    ("6 ACT 0", "time is 6, expected at least 7, the time of the command before"),
    ("9 ACT", 'line is "9 ACT", expected the columns time, command and bank'),
])
def test_bad_line(tmp_path, line, message):
    trace = tmp_path / "trace.txt"
    trace.write_text(f"# head\n7 ACT 0\n{line}\n")
    error = refused(SPEC, trace)
    assert error.startswith(f"{trace}, line 3: ")
    assert message in error


def test_bad_trace_file(tmp_path):
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe\x00")
    assert refused(SPEC, binary).startswith(f"{binary}: not text (")
    assert refused(SPEC, tmp_path) == f"{tmp_path}: cannot be read (Is a directory), expected a trace"
    missing = tmp_path / "missing"
    assert refused(SPEC, missing) == f"{missing}: cannot be read (No such file or directory), expected a trace"


def test_bad_memspec(tmp_path):
    """One way through the command; tests/sim/lpddr4/test_memspec.py has the others."""
    path = tmp_path / "memspec.json"
    document = json.loads(SPEC.read_text())
    del document["memspec"]["memtimingspec"]["RCD"]
    path.write_text(json.dumps(document))
    assert refused(path, SPEC) == f"{path}: RCD is missing, expected a whole number of at least 1"
