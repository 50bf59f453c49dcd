"""Tokenizer keys of GGUF files: what is honoured, what is refused, what is not there."""

from pathlib import Path

import gguf
import pytest
from dojang.checkpoints.errors import CheckpointError
from dojang.checkpoints.gguf.file import GGUFFile
from dojang.checkpoints.gguf.vocabulary import tokenizer_data
from dojang.tokenizer import Tokenizer

TOKENS = ["<unk>", "<s>", "</s>", "a", "b", "<|x|>"]
GGML = "tokenizer.ggml."


class Fields:
    """Keys of a file."""

    path = Path("m.gguf")

    def __init__(self, **keys):
        self.fields = {GGML + key: value for key, value in keys.items()}

    def field(self, key, default=None):
        return self.fields.get(key, default)


def data(template=None, name=None, **keys):
    file = Fields(**{"model": "gpt2", "tokens": TOKENS, "token_type": [2, 3, 3, 1, 1, 3], "merges": ["a b"], **keys})
    file.fields |= {"tokenizer.chat_template": template, "general.name": name}
    return tokenizer_data(file)  # type: ignore


def test_from_a_file(tmp_path):
    writer = gguf.GGUFWriter(tmp_path / "m.gguf", "llama")
    writer.add_tokenizer_model("llama")
    writer.add_token_list(TOKENS)
    writer.add_token_scores([0.0, 0.0, 0.0, -1.5, -2.0, 0.0])
    writer.add_token_types([2, 3, 3, 1, 1, 3])
    writer.add_bos_token_id(1)
    writer.add_add_bos_token(False)
    writer.add_add_space_prefix(False)
    writer.add_eot_token_id(5)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    found = tokenizer_data(GGUFFile(tmp_path / "m.gguf"))
    assert (found.model, found.pre, list(found.tokens)) == ("llama", None, TOKENS)
    assert (found.bos, found.eos, found.eos_ids, found.add_bos) == (1, 2, {2, 5}, False)
    assert list(found.scores)[3:5] == [-1.5, -2.0] and found.add_space_prefix is False
    assert Tokenizer(found).encode("ab") == [3, 4]


def test_what_is_missing():
    found = data(token_type=None, merges=None, pre=None)
    assert found.types == [1] * 6 and found.merges == [] and found.pre is None and found.add_bos is None
    assert found.bos is found.eos is None and found.eos_ids == frozenset() and not found.strip_after


def test_first_sentencepiece_models_have_usual_ids():
    found = data(model="llama")
    assert (found.bos, found.eos, found.eos_ids) == (1, 2, {2})
    assert data(model="llama", bos_token_id=3, eos_token_id=-1).eos is None
    assert data(model="llama", tokens=["a"], token_type=[1]).bos is None


@pytest.mark.parametrize("key", ["eos", "eot", "eom", "fim_pad", "fim_rep", "fim_sep"])
def test_keys_of_ends(key):
    assert data(**{f"{key}_token_id": 5}).eos_ids == {5}
    assert data(**{f"{key}_token_id": -1}).eos_ids == data(**{f"{key}_token_id": 2**32 - 1}).eos_ids == frozenset()
    assert data(**{f"{key}_token_id": 2**64 - 1}).eos_ids == frozenset()


@pytest.mark.parametrize("keys, message", [
    ({"eos_token_id": [1, 2]}, "eos_token_id is [1, 2], expected a token id below 6"),
    ({"eos_token_id": 6}, "eos_token_id is 6, expected a token id below 6"),
    ({"eot_token_id": -2}, "eot_token_id is -2, expected a token id below 6"),
    ({"eom_token_id": "x" * 999}, "eom_token_id is 'xxxxxxxx"),
    ({"eos_token_id": 1.0}, "eos_token_id is 1.0, expected"),
    ({"eos_token_id": True}, "eos_token_id is True, expected"),
    ({"bos_token_id": "x", "add_bos_token": True}, "bos_token_id is 'x', expected a token id below 6"),
    ({"bos_token_id": -1, "add_bos_token": True}, "bos_token_id is -1, expected a token id below 6, as add_bos_token"),
    ({"bos_token_id": 2**32 - 1, "add_bos_token": True}, "bos_token_id is 4294967295, expected a token id"),
    ({"bos_token_id": 7, "template": "{{ bos_token }}"}, "bos_token_id is 7, expected a token id below 6"),
    ({"bos_token_id": 7, "pre": "llama-bpe"}, "bos_token_id is 7, expected a token id below 6"),
    ({"add_bos_token": "false"}, "add_bos_token is 'false', expected true or false"),
    ({"add_space_prefix": 2}, "add_space_prefix is 2, expected true or false"),
    ({"tokens": [1, 2]}, "tokens is [1, 2], expected a list of texts"),
    ({"tokens": "abc"}, "tokens is 'abc', expected a list of texts"),
    ({"token_type": ["a"]}, "token_type is ['a'], expected a list of integers"),
    ({"merges": 3}, "merges is 3, expected a list of texts"),
    ({"scores": ["a"] * 999}, "scores is a list of 999: 'a', "),
    ({"pre": 3}, "pre is 3, expected a text"),
    ({"model": ["gpt2"]}, "model is ['gpt2'], expected a text"),
    ({"template": 5}, "tokenizer.chat_template is 5, expected a text"),
])
def test_refusals_name_the_key(keys, message):
    with pytest.raises(CheckpointError) as error:
        data(**keys)
    text = str(error.value)
    assert message in text and text.startswith("m.gguf: tokenizer.") and len(text) < 200


def test_bad_ids_that_nobody_uses():
    assert data(bos_token_id="x", add_bos_token=False).bos is None
    assert data(bos_token_id=99, add_bos_token=False).bos is None
    assert data(padding_token_id=[1], unknown_token_id="x", fim_pad_token_id="x").eos_ids == frozenset()


def test_control_tokens_of_phi_3_swallow_white_space():
    assert data(name="Phi 3 Mini").strip_after is False
    assert data(name="Phi-3-mini-4k").strip_after and data(name="phi3").strip_after
    assert not data(name=["phi3"]).strip_after
