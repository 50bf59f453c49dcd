"""SentencePiece: merging by score, spaces, bytes."""

import random
import time
from itertools import pairwise

import pytest
from dojang.checkpoints import TokenizerData
from dojang.tokenizer import TextStream, Tokenizer, TokenizerError

PIECES = {"▁": -1.0, "a": -2.0, "b": -3.0, "c": -4.0, "ab": -9.0, "bc": -8.0, "▁a": -20.0, "▁ab": -30.0, "aa": -10.0}
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]


def tokenizer(pieces=PIECES, without=(), **changes):
    tokens = ["<unk>", "<s>", "</s>", *(byte for byte in BYTES if byte not in without), *pieces]
    types = [2, 3, 3] + [6] * (256 - len(without)) + [1] * len(pieces)
    scores = [0.0] * (259 - len(without)) + list(pieces.values())
    fields = {"bos": 1, "eos": 2, "eos_ids": frozenset({2}), "add_bos": None, "scores": scores, **changes}
    return Tokenizer(TokenizerData("llama", None, tokens, types, **fields))


def pieces(made, text, **options):
    return [made._data.tokens[token] for token in made.encode(text, **options)]


def test_the_best_score_is_merged_first():
    assert pieces(tokenizer(), "abc") == ["<s>", "▁a", "bc"]  # "bc" before "ab", and then there is no "▁abc"
    assert pieces(tokenizer(), "ab") == ["<s>", "▁ab"]
    assert pieces(tokenizer({**PIECES, "bc": -10.0}), "abc") == ["<s>", "▁ab", "c"]


def test_equal_scores_are_merged_from_the_left():
    assert pieces(tokenizer(add_space_prefix=False), "aaaaa") == ["<s>", "aa", "aa", "a"]


def test_a_space_begins_a_text_and_what_follows_a_special_token():
    made = tokenizer()
    assert pieces(made, "a</s>a a") == ["<s>", "▁a", "</s>", "▁a", "▁a"]
    assert pieces(tokenizer(add_space_prefix=False), "a</s>a a") == ["<s>", "a", "</s>", "a", "▁a"]
    assert pieces(made, "") == ["<s>"] and pieces(made, " ") == ["<s>", "▁", "▁"]


def test_characters_without_a_token_are_bytes():
    assert pieces(tokenizer(), "한\n") == ["<s>", "▁", "<0xED>", "<0x95>", "<0x9C>", "<0x0A>"]
    lacking = tokenizer(without=("<0xED>",))
    assert lacking.dropped("a한") == ["byte 0xED of the prompt has no token and is dropped (in 한)"]
    assert pieces(lacking, "한") == ["<s>", "▁", "<0x95>", "<0x9C>"] and lacking.dropped("a é") == []


def test_text_cannot_spell_control_or_byte_tokens():
    steps = ["<", "/", "s", ">", "</", "</s", "0", "x", "A", "<0", "<0x", "<0xA", "<0xA0"]
    made = tokenizer({**PIECES, **dict.fromkeys(steps, -1.0)})
    assert made.encode("</s>", special=False)[-2:] == [made._data.tokens.index("</s"), made._data.tokens.index(">")]
    assert pieces(made, "<0xA0>")[-2:] == ["<0xA0", ">"]


def test_decoding_drops_the_space_of_the_text_only():
    made = tokenizer()
    for text in ("a b", " a", "  a  ", "한 a\n", ""):
        assert made.decode(made.encode(text)) == text
    assert made.decode([2, made.encode("ab")[1]]) == "ab"
    assert tokenizer(add_space_prefix=False).decode(made.encode("a")) == " a"


def test_a_stream_goes_on_or_begins():
    made = tokenizer()
    ids = made.encode("a a")
    for begins, expected in ((False, " a a"), (True, "a a")):
        stream = TextStream(made, begins)
        assert "".join(map(stream.push, ids)) + stream.flush() == expected
    stream = TextStream(tokenizer(add_space_prefix=False), begins=True)
    assert "".join(map(stream.push, ids)) == " a a"


@pytest.mark.parametrize("scores", [[0.0], [float("nan")] * 268])
def test_bad_scores(scores):
    with pytest.raises(TokenizerError, match="expected a score for each of its 268 tokens"):
        tokenizer(scores=scores)


def test_equals_merging_one_pair_after_the_other():
    rng = random.Random(3)
    for _ in range(30):
        table = {"".join(rng.choices("ab▁", k=rng.randrange(2, 5))): float(rng.randrange(-9, 0)) for _ in range(25)}
        made = tokenizer({**table, "a": 0.0, "b": 0.0, "▁": 0.0})
        prompt = "".join(rng.choices("ab ", k=60))
        symbols = list("▁" + prompt.replace(" ", "▁"))
        while True:
            joined = enumerate(map("".join, pairwise(symbols)))
            found = [(-table[text], at) for at, text in joined if text in table]
            if not found:
                break
            at = min(found)[1]
            symbols[at:at + 2] = [symbols[at] + symbols[at + 1]]
        assert pieces(made, prompt)[1:] == symbols


def test_long_texts_take_no_square_of_time():
    made = tokenizer()
    started = time.process_time()
    made.encode("abc a" * 20_000)
    assert time.process_time() - started < 5
