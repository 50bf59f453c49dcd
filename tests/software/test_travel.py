"""What goes over a board's link: at most 1.25 times the model's file, as the kept figures say."""

import json
from importlib import import_module
from pathlib import Path

import pytest
from dojang.checkpoints import ModelShape, load
from dojang.checkpoints.synthetic import write_synthetic
from dojang.cli import app
from dojang.compile import CompileError, compile_model
from dojang.prediction import travel
from dojang.sessions import BOARD_CONTEXT, board
from dojang_fpga.boards import BOARDS
from typer.testing import CliRunner

FIGURES = json.loads((Path(__file__).parents[2] / "docs/figures/boards.json").read_text())
MOST = 1.25


@pytest.fixture(scope="module")
def models():
    return {model: load(model) for model in ("glassllm", "smollm2")}


@pytest.mark.parametrize("name, model", [("ecpix5", "glassllm"), ("ecpix5", "smollm2"), ("orangecrab", "smollm2"),
                                         ("ulx3s", "glassllm")])
def test_the_image_is_hardly_larger_than_the_file(models, name, model):
    figures = travel(models[model], BOARDS[name].chip(), BOARD_CONTEXT).as_json()
    assert 1 < figures["image_per_file"] <= MOST
    assert FIGURES[name]["models"][model]["image"] == figures


def test_smollm2_does_not_fit_a_board_of_32_mib(models):
    with pytest.raises(CompileError, match="has 32 MiB"):
        travel(models["smollm2"], BOARDS["ulx3s"].chip(), BOARD_CONTEXT)
    assert FIGURES["ulx3s"]["models"]["smollm2"] == {"not": "does not fit"}


def test_it_is_what_an_upload_compares(models):
    chip = BOARDS["ulx3s"].chip()
    image = compile_model(models["glassllm"], chip, models["glassllm"].shape.context)
    (contents,) = board._contents(image, guarded=True)
    assert len(contents) == travel(models["glassllm"], chip, BOARD_CONTEXT).image_bytes


@pytest.mark.parametrize("options, context", [((), 512), (("--tokens", 1000), 1003)])
def test_generate_reserves_what_is_needed(tmp_path, monkeypatch, options, context):
    """The cache travels too; a simulated chip does not mind a larger one."""
    path = write_synthetic(tmp_path / "m.gguf", ModelShape(1, 64, 2, 1, 32, 96, 260, 4096), "Q4_1")
    asked = []

    def ask(checkpoint, port, baud, context, *rest, **options):
        asked.append(context)
        raise board.SessionError("no board here")

    monkeypatch.setattr(import_module("dojang.cli.opening"), "open_board", ask)
    arguments = ["generate", path, "--prompt", "abc", "--board", "port", *options]
    assert CliRunner().invoke(app, list(map(str, arguments))).exit_code == 2
    assert asked == [context]
