"""What Verilator brings is compiled once; what belongs to a model always."""

import subprocess
import sys

import pytest
from dojang_sim import object_cache

COMPILER = """import sys
from pathlib import Path
target, source = sys.argv[sys.argv.index("-o") + 1], Path(sys.argv[-1])
text = source.read_text()
if "error" in text:
    sys.exit(3)
Path(target).write_text(f"{text} {' '.join(part for part in sys.argv if part.startswith('-D'))}")
with open("log", "a") as log:
    log.write(source.name + " ")
"""


@pytest.fixture
def compile_(tmp_path, monkeypatch):
    """Compile a source of this folder; gives the exit code, the object, and which sources were compiled since."""
    monkeypatch.setenv(object_cache.FOLDER, str(tmp_path / "objects"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "include").mkdir()
    (tmp_path / "include" / "verilated.h").write_text("header")
    (tmp_path / "compiler.py").write_text(COMPILER)

    def run(source, *options):
        (tmp_path / "log").write_text("")
        command = [sys.executable, "-IS", object_cache.__file__, sys.executable, "compiler.py", *options, "-c", "-o",
                   "x.o", source]
        code = subprocess.run(command, cwd=tmp_path).returncode
        return code, (tmp_path / "x.o").read_text() if code == 0 else None, (tmp_path / "log").read_text().split()

    return run


def test_once(compile_, tmp_path):
    (tmp_path / "include" / "verilated_vpi.cpp").write_text("vpi")
    source = "include/verilated_vpi.cpp"
    assert compile_(source, "-DA", "-Ihere") == (0, "vpi -DA", ["verilated_vpi.cpp"])
    assert compile_(source, "-DA", "-Ithere") == (0, "vpi -DA", [])
    assert compile_(source, "-DB") == (0, "vpi -DB", ["verilated_vpi.cpp"])
    (tmp_path / "include" / "verilated.h").write_text("another header")
    assert compile_(source, "-DA") == (0, "vpi -DA", ["verilated_vpi.cpp"])
    (tmp_path / "include" / "verilated_vpi.cpp").write_text("another")
    assert compile_(source, "-DA") == (0, "another -DA", ["verilated_vpi.cpp"])


def test_always(compile_, tmp_path):
    (tmp_path / "Vtop.cpp").write_text("model")
    for _ in range(2):
        assert compile_("Vtop.cpp") == (0, "model ", ["Vtop.cpp"])


def test_errors_are_not_kept(compile_, tmp_path):
    (tmp_path / "include" / "verilated.cpp").write_text("error")
    for _ in range(2):
        assert compile_("include/verilated.cpp") == (3, None, [])


def test_a_folder_that_cannot_be_written(compile_, tmp_path, monkeypatch):
    monkeypatch.setenv(object_cache.FOLDER, "/proc/self/objects")
    (tmp_path / "include" / "verilated.cpp").write_text("runtime")
    for _ in range(2):
        assert compile_("include/verilated.cpp") == (0, "runtime ", ["verilated.cpp"])
