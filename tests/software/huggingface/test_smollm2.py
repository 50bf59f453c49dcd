"""SmolLM2 as a folder: the GGUF's weights and vocabulary, written as its publisher has them."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from dojang.checkpoints import load
from dojang.fast import FastModel
from dojang.oracle.accuracy import compare_prompt
from dojang.tokenizer import TextStream, Tokenizer
from dojang_sim.golden.model import GoldenModel
from tokenizers import AddedToken, decoders, models, pre_tokenizers
from tokenizers import Tokenizer as Library

REFERENCE = Path(__file__).parents[2] / "sim" / "golden" / "data" / "smollm2_oracle.json"
"""llama.cpp's answers on the GGUF file in F32."""

LOGIT_ERROR = 0.25
"""Mean, of logits; of the second quantisation all but 0.01 of it."""

CONFIG = {
    "architectures": ["LlamaForCausalLM"], "attention_bias": False, "attention_dropout": 0.0, "bos_token_id": 1,
    "eos_token_id": 2, "hidden_act": "silu", "hidden_size": 576, "initializer_range": 0.041666666666666664,
    "intermediate_size": 1536, "is_llama_config": True, "max_position_embeddings": 8192, "mlp_bias": False,
    "model_type": "llama", "num_attention_heads": 9, "num_hidden_layers": 30, "num_key_value_heads": 3,
    "pad_token_id": 2, "pretraining_tp": 1, "rms_norm_eps": 1e-05, "rope_interleaved": False, "rope_scaling": None,
    "rope_theta": 100000, "tie_word_embeddings": True, "torch_dtype": "bfloat16", "vocab_size": 49152}

TEXTS = ["The capital of France is", "  two  spaces\n\n\tand tabs \r\n", "2025-11-22: 3.14159, 1000000", "",
         "naïve café, 日本語のテキスト, emoji 🎉👩‍👩‍👧", "def f(x):\n    return x**2  # don't\n", "안녕하세요 도장",
         "<|im_start|>user\nhi<|im_end|>\n", "a<|im_end|><|endoftext|> <repo_name>b", "<|im_start", "zero\x00byte"]


def document(data):
    """``tokenizer.json`` of the vocabulary and merges of the GGUF file, with the steps that its publisher has."""
    ids = {token: index for index, token in enumerate(data.tokens)}
    library = Library(models.BPE(vocab=ids, merges=[tuple(merge.split(" ")) for merge in data.merges]))
    library.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Digits(individual_digits=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)])
    library.decoder = decoders.ByteLevel()
    library.add_special_tokens([AddedToken(token, normalized=False, special=True)
                                for token, kind in zip(data.tokens, data.types, strict=True) if kind == 3])
    return library.to_str()


@pytest.fixture(scope="module")
def gguf():
    return load("smollm2")


def write(hub, path, gguf, layers):
    """The first layers of the model."""
    shape = replace(gguf.shape, layers=layers)
    values = {name: gguf.floats(name) if len(size) == 2 else gguf.vector(name)
              for name, size in shape.tensors().items()}
    data = gguf.tokenizer
    settings = {"bos_token": "<|im_start|>", "eos_token": {"content": "<|im_end|>", "special": True},
                "chat_template": [{"name": "rag", "template": "no"}, {"name": "default",
                                                                      "template": data.chat_template}]}
    return hub.write(path, {**CONFIG, "num_hidden_layers": layers},
                     hub.published("LlamaForCausalLM", shape, values), 2, tokenizer=document(data),
                     tokenizer_config=settings, generation_config={"eos_token_id": [2, 0]})


@pytest.fixture(scope="module")
def folder(hub, gguf, tmp_path_factory):
    return write(hub, tmp_path_factory.mktemp("hub") / "SmolLM2", gguf, 2)


def test_description_and_weights_are_those_of_the_gguf_file(gguf, folder):
    checkpoint = load(folder)
    assert checkpoint.shape == replace(gguf.shape, layers=2) and checkpoint.name == "SmolLM2"
    assert checkpoint.file_bytes == sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    for name in ("token_embd.weight", "blk.0.attn_q.weight", "blk.1.attn_k.weight", "blk.1.ffn_down.weight"):
        assert np.array_equal(checkpoint.floats(name), gguf.floats(name))
    assert np.array_equal(checkpoint.vector("blk.1.ffn_norm.weight"), gguf.vector("blk.1.ffn_norm.weight"))
    assert checkpoint.messages == [f"{kind} quantised from F32 to 8 bits" for kind in (
        "head", "attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")]


def test_token_ids_are_those_of_the_gguf_file(gguf, folder):
    own, other = Tokenizer(load(folder).tokenizer), Tokenizer(gguf.tokenizer)
    assert own.vocab_size == other.vocab_size and own.eos_ids == other.eos_ids and own.messages == []
    for text in TEXTS:
        for special in (True, False):
            assert own.encode(text, special) == other.encode(text, special), text
        assert own.decode(own.encode(text, False)) == text
        stream = TextStream(own)
        assert "".join(map(stream.push, own.encode(text, False))) + stream.flush() == text
    for text in TEXTS:
        messages = [{"role": "user", "content": text}, {"role": "assistant", "content": f"x {text}"},
                    {"role": "user", "content": "<|im_end|>"}]
        for raw in (True, False):
            assert own.encode_chat(messages, raw) == other.encode_chat(messages, raw), text
    assert own.render(messages) == other.render(messages)


@pytest.fixture(scope="module")
def whole(hub, gguf, tmp_path_factory):
    return load(write(hub, tmp_path_factory.mktemp("hub") / "SmolLM2", gguf, 30))


@pytest.mark.slow
def test_greedy_tokens_are_those_of_llama_cpp(whole):
    """The folder's weights are quantised a second time, to 8 bits."""
    reference = json.loads(REFERENCE.read_text())
    model = FastModel(whole, 256)
    results = [compare_prompt(model, prompt, reference["logit_ids"]) for prompt in reference["prompts"]]
    assert [result["errors"] for result in results] == [[]] * 8
    assert np.mean([result["logit_error"] for result in results]) < LOGIT_ERROR


@pytest.mark.slow
def test_fast_and_golden_are_equal(whole):
    ids = Tokenizer(whole.tokenizer).encode("The capital of France is")
    assert np.array_equal(FastModel(whole, 8).forward(ids, 0).view(np.uint32),
                          GoldenModel(whole, 8).forward(ids, 0).view(np.uint32))
