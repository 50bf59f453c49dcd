"""The Makefile names what the machine lacks in one sentence."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def make(target, path, *options):
    # As called by hand: `make test` tells a make below it that it is one, and its messages change.
    outer = {name: value for name, value in os.environ.items() if name not in ("MAKELEVEL", "MAKEFLAGS", "MFLAGS")}
    return subprocess.run([shutil.which("make"), "--no-print-directory", target, *options], cwd=ROOT, text=True,
                          env={**outer, "PATH": str(path)}, capture_output=True, timeout=60)


@pytest.fixture
def tools(tmp_path):
    for tool in ("sh", "g++", "make", "perl"):
        (tmp_path / tool).symlink_to(shutil.which(tool) or "/bin/sh")
    return tmp_path


@pytest.mark.parametrize("missing", [[], ["g++"], ["perl"], ["g++", "perl"], ["make"]])
def test_missing_tools(tools, missing):
    for tool in missing:
        (tools / tool).unlink()
    result = make("system-tools", tools)
    names = "".join(f" {tool}" for tool in missing)
    expected = f"missing system package:{names} (on Debian: apt-get install{names})\n" if missing else ""
    assert "".join(line for line in result.stderr.splitlines(True) if not line.startswith("make:")) == expected
    assert (result.returncode != 0) == bool(missing)


def test_missing_python(tools, tmp_path):
    result = make(f"{tmp_path}/venv/bin/python", tools, f"VENV={tmp_path}/venv")
    assert "no Python of version 3.11 or newer found" in result.stderr and result.returncode != 0
