"""Pre-tokenizers and merges: what llama.cpp expects of real vocabularies, cut down to what the texts need."""

import json
from pathlib import Path

import pytest
from dojang.checkpoints import TokenizerData
from dojang.tokenizer import PRE_TOKENIZERS, Tokenizer, byte_characters
from dojang.tokenizer.pre_tokenizers import FAMILIES

VOCABULARIES = json.loads(Path(__file__).with_name("vocabularies.json").read_text(encoding="utf-8"))


def made_of(kept):
    """A tokenizer with the tokens of a cut-down vocabulary."""
    if kept["model"] == "llama":
        tokens = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256)), *kept["scores"]]
        return Tokenizer(TokenizerData("llama", kept["pre"], tokens, [2] + [6] * 256 + [1] * len(kept["scores"]),
                                       scores=[0.0] * 257 + list(kept["scores"].values())))
    joined = [left + right for left, right in (merge.split(" ", 1) for merge in kept["merges"])]
    sides = [side for merge in kept["merges"] for side in merge.split(" ", 1)]
    tokens = list(dict.fromkeys([*byte_characters(), *sides, *joined, *kept["words"], *kept["defined"]]))
    types = [4 if token in kept["defined"] else 6 if token.startswith("<0x") else 1 for token in tokens]
    return Tokenizer(TokenizerData(kept["model"], kept["pre"], tokens, types, kept["merges"], add_bos=False))


@pytest.mark.parametrize("name", VOCABULARIES)
def test_answers_of_llama_cpp(name):
    kept = VOCABULARIES[name]
    tokenizer = made_of(kept)
    for text, expected in zip(kept["texts"], kept["expected"], strict=True):
        ids = tokenizer.encode(text, special=False)
        assert [tokenizer._data.tokens[token] for token in ids] == expected, text
        assert tokenizer.decode(ids) == text


def pieces(pre, text):
    """Where a pre-tokenizer splits: with every run of letters a merge, pieces are tokens."""
    table = dict(zip(byte_characters(), range(256), strict=True))
    back = {character: byte for character, byte in table.items()}
    data = TokenizerData("gpt2", pre, byte_characters(), [1] * 256, add_bos=False)
    split = Tokenizer(data)._vocabulary._tokenizer.pre_tokenizer
    return [bytes(back[character] for character in piece).decode() for piece, _ in split.pre_tokenize_str(text)]


@pytest.mark.parametrize("pre, text, expected", [
    ("tekken", "HTTPServer ÉCOLE d'été 12", ["HTTPServer", " ÉCOLE", " d", "'été", " ", "1", "2"]),
    ("gpt-4o", "iPhone's 12345/\n", ["i", "Phone's", " ", "123", "45", "/\n"]),
    ("kimi-k2", "漢字kana 漢", ["漢字", "kana", " ", "漢"]),
    ("afmoe", "a1234567b12", ["a", "1", "234", "567", "b", "12"]),
    ("tiny_aya", "1234 56 789", ["1", "234", " ", "56", " ", "789"]),
    ("afmoe", "12345", ["12", "345"]),
    ("superbpe", "x1234567y", ["x", "1", "234", "567", "y"]),
    ("bloom", "one, two。三", ["one", ",", " two", "。", "三"]),
    ("viking", "ab12", ["ab", "1", "2"]),
    ("jais-2", "a" + " " * 7 + "b", ["a", " " * 4, " " * 2, " b"]),
    ("chameleon", "a    b!!", ["a", "    ", "b", "!", "!"]),
    ("deepseek-v3", "don't 12345!?\n", ["don", "'t", " ", "123", "45", "!?\n"]),
    ("exaone-moe", "ab cd\n\n", ["ab cd", "\n\n"]),
    ("laguna", "a\n\nb", ["a", "\n\n", "b"]),
    ("seed-coder", "x!\n", ["x", "!", "\n"]),
    ("ufakzeka", "Ali's", ["Ali", "'s"]),
    ("bailingmoe", "'SUP x 12", ["'S", "UP", " x", " ", "1", "2"]),
    ("minicpm5", "1234", ["123", "4"]),
    ("falcon", "`€12345", ["`", "€", "123", "45"]),
    ("starcoder", "a12", ["a", "1", "2"]),
    ("qwen35", "!!\u0301", ["!!", "\u0301"]),
    ("qwen2", "!!\u0301", ["!!\u0301"]),
    ("deepseek-llm", "ÀµÿЖ Жa", ["ÀµÿЖ", " Ж", "a"]),
    ("default", "12345+", ["123", "45", "+"]),
])
def test_splits(pre, text, expected):
    assert pieces(pre, text) == expected


def test_every_name_once():
    names = [name for family in FAMILIES for name in family.names]
    assert len(names) == len(set(names)) == len(PRE_TOKENIZERS)
