"""``dojang boards`` and ``dojang program`` where what boards need is missing."""

import sys

import pytest
from dojang.cli import app
from typer.testing import CliRunner


def sentence(*arguments):
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2 and result.stdout == "", result.output
    (line,) = result.stderr.splitlines()
    return line


@pytest.mark.parametrize("package", ["amaranth_boards", "dojang_fpga.boards"])
@pytest.mark.parametrize("arguments", [("boards",), ("program", "ecpix5")], ids=lambda arguments: arguments[0])
def test_a_missing_package_is_named(monkeypatch, arguments, package):
    monkeypatch.setitem(sys.modules, package, None)
    assert sentence(*arguments) == (
        f"dojang: dojang {arguments[0]} needs the package {package}, which is not installed (pip install "
        "'dojang[board]', or in a clone .venv/bin/pip install -e '.[board]')")


def test_boards_that_are_only_projects_are_not_programmed():
    assert sentence("program", "ax7325b") == (
        "dojang: unknown board 'ax7325b', expected one of ecpix5, orangecrab, butterstick, ulx3s")


def test_figures_that_cannot_be_written(tmp_path):
    assert sentence("boards", "--json", str(tmp_path)) == f"dojang: cannot write {tmp_path}: Is a directory"
