"""Vocabularies and templates of llama.cpp's source, and the tokens that llama.cpp itself makes of other texts."""

import random
from dataclasses import replace

import pytest
from dojang.checkpoints.gguf.file import GGUFFile
from dojang.checkpoints.gguf.vocabulary import tokenizer_data
from dojang.tokenizer import Tokenizer, TokenizerError
from dojang.tokenizer.template_process import answer
from dojang.tokenizer.templates import render

pytestmark = pytest.mark.oracle

WITH_ANSWERS = {"command-r": 46, "deepseek-coder": 46, "deepseek-llm": 46, "falcon": 46, "gemma-4": 46, "gpt-2": 46,
                "llama-bpe": 46, "llama-spm": 46, "mpt": 46, "phi-3": 46, "qwen2": 46, "qwen35": 50, "refact": 46,
                "starcoder": 46}
"""Number of texts."""

OTHERS = ("aquila", "baichuan", "gpt-neox")
TALK = [{"role": "system", "content": "Be kind7."}, {"role": "user", "content": "Hello w0rld"},
        {"role": "assistant", "content": "Answer a11"}, {"role": "user", "content": "Again b22"}]
# Without U+3000 and the like, which llama.cpp's expressions for deepseek take for a plain space.
PARTS = ["Hello", " world", "  ", "\n", "\n\n", "\r\n", "\t", " ", "123", "4567890", "'s", "'LL", "don't", "naïve",
         "ÉCOLE", "日本語", "テキスト", "한국어 ", "안녕하세요", "🎉", "👩\u200d👩", "…", "，", "!!", "()", "[x]",
         "<b>", "</s>", "foo_bar", "CamelCase", "x+=1;", "//", "e\u0301", "नमस्ते", "สวัสดี", "русский", "١٢٣", "½",
         "\u00a0", "<|im_end|>", "<|im_start|>", "<|user|>", "<s>", "<unk>", "<|endoftext|>", "<0x0A>", "<eos>"]


def vocabulary(models, name):
    """Without its begin token."""
    return Tokenizer(replace(tokenizer_data(GGUFFile(models / f"ggml-vocab-{name}.gguf")), add_bos=False))


@pytest.mark.parametrize("name, count", WITH_ANSWERS.items())
def test_answers_beside_the_vocabularies(name, count, llama_models):
    tokenizer = vocabulary(llama_models, name)
    texts = (llama_models / f"ggml-vocab-{name}.gguf.inp").read_bytes().decode().split("\n__ggml_vocab_test__\n")
    lines = (llama_models / f"ggml-vocab-{name}.gguf.out").read_text().splitlines()
    pairs = [(text, [*map(int, line.split())]) for text, line in zip(texts, lines, strict=False)]
    assert len(pairs) == count
    for text, ids in pairs:
        assert tokenizer.encode(text, special=False) == ids, text
        assert tokenizer.decode(ids) == text


@pytest.mark.parametrize("name", [*WITH_ANSWERS, *OTHERS])
def test_the_same_ids_as_llama_cpp(name, llama_models):
    engine = pytest.importorskip("llama_cpp").Llama(str(llama_models / f"ggml-vocab-{name}.gguf"), vocab_only=True,
                                                    verbose=False)
    tokenizer, rng = vocabulary(llama_models, name), random.Random(7)
    for number in range(300):
        text = "".join(rng.choice(PARTS) if rng.random() < 0.9 else chr(rng.randrange(0xA0, 0xD7FF))
                       for _ in range(rng.randrange(1, 14)))
        for special in (False, True):
            ids = tokenizer.encode(text, special)
            assert ids == engine.tokenize(text.encode(), add_bos=False, special=special), (number, text)


def test_all_templates(llama_models, monkeypatch):
    monkeypatch.setattr("dojang.tokenizer.templates._ask", answer)
    templates = sorted((llama_models / "templates").glob("*.jinja"))
    assert len(templates) == 70
    for path in templates:
        source, names = path.read_text(encoding="utf-8"), {"bos_token": "<s>", "eos_token": "</s>"}
        (text,) = render(source, [TALK[1:2]], names)
        assert text.count(TALK[1]["content"]) == 1, path
        try:
            (text,) = render(source, [TALK], names)
        except TokenizerError as error:
            assert str(error).endswith("System role not supported"), path
            (text,) = render(source, [TALK[1:]], names)
        assert all(message["content"] in text for message in TALK[1:]), path
