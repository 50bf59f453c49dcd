"""Every command takes a folder where it takes a model."""

import json

import pytest
from dojang.checkpoints import ModelShape, Norm, load
from dojang.cli import app
from dojang.tokenizer import Tokenizer, byte_characters
from tokenizers import Tokenizer as Library
from tokenizers import decoders, models, pre_tokenizers
from typer.testing import CliRunner

SHAPE = ModelShape(1, 64, 2, 1, 32, 96, 256, 64, Norm(1e-6), tied=True)


@pytest.fixture(scope="module")
def folder(hub, tmp_path_factory):
    library = Library(models.BPE(vocab={token: index for index, token in enumerate(byte_characters())}, merges=[]))
    library.pre_tokenizer, library.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    config = {"architectures": ["LlamaForCausalLM"], "hidden_size": 64, "num_hidden_layers": 1, "vocab_size": 256,
              "num_attention_heads": 2, "num_key_value_heads": 1, "intermediate_size": 96, "tie_word_embeddings": True,
              "max_position_embeddings": 64}
    tensors = hub.published("LlamaForCausalLM", SHAPE, hub.random_values(SHAPE))
    return hub.write(tmp_path_factory.mktemp("hub") / "tiny", config, tensors, tokenizer=library.to_str())


def run(*arguments):
    done = CliRunner().invoke(app, list(map(str, arguments)))
    assert done.exit_code == 0, done.output
    return done.output


def test_commands(folder, tmp_path):
    assert "Hugging Face folder, " in (shown := run("inspect", folder)) and "tokenizers" in shown
    assert "cannot be encoded" not in shown
    run("generate", folder, "--prompt", "hé", "--tokens", 2, "--backend", "fast", "--json", tmp_path / "g.json")
    assert json.loads((tmp_path / "g.json").read_text())["model"] == "tiny"
    (tmp_path / "text").write_text("the quick brown fox " * 30)
    run("compress", folder, tmp_path / "tiny.dojang", "--bits", 4, "--method", "rtn", "--no-rotate", "--calibration",
        tmp_path / "text", "--windows", 1)
    kept = load(tmp_path / "tiny.dojang")
    assert kept.tokenizer.document == load(folder).tokenizer.document != ""
    assert Tokenizer(kept.tokenizer).encode("hé") == Tokenizer(load(folder).tokenizer).encode("hé")
    run("eval", tmp_path / "tiny.dojang", "--against", folder, "--text", tmp_path / "text", "--windows", 1,
        "--length", 16, "--numerics", "fast", "--json", tmp_path / "e.json")
