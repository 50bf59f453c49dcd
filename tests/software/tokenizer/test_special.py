"""Special tokens: where a text begins and ends, and what in it is markup."""

import pytest
from dojang.tokenizer import Tokenizer


def test_in_texts(bytes_data):
    tokenizer = Tokenizer(bytes_data())
    assert tokenizer.encode("xabc<|end|>ab<|user|>") == [ord("x"), 257, 258, 256, 259]
    assert tokenizer.encode("abc<|end|>ab<|user|>", special=False) == [257, *b"<|end|>", 256, *b"<|user|>"]
    assert tokenizer.decode([257, 258, 259]) == "abc<|user|>"  # control tokens are not text, user-defined ones are
    assert tokenizer.decode([100_000, -1]) == ""


def test_begin_token_once(bytes_data):
    tokenizer = Tokenizer(bytes_data(add_bos=True))
    assert tokenizer.encode("x") == [258, ord("x")] and tokenizer.encode("<|end|>x") == [258, ord("x")]
    assert tokenizer.encode("") == [258]


@pytest.mark.parametrize("pre, add_bos, begins", [
    ("llama-bpe", None, True), ("llama-v3", None, True), ("falcon3", None, True), ("pixtral", None, True),
    ("tekken", None, True), ("chameleon", None, True), ("gpt-2", None, False), ("qwen2", None, False),
    ("smollm", None, False), (None, None, False), ("llama-bpe", False, False), ("qwen2", True, True)])
def test_begin_token_of_a_pre_tokenizer(pre, add_bos, begins, bytes_data):
    assert Tokenizer(bytes_data(pre=pre, add_bos=add_bos)).encode("x") == ([258] if begins else []) + [ord("x")]


def test_no_begin_token_to_begin_with(bytes_data):
    assert Tokenizer(bytes_data(pre="llama-bpe", add_bos=None, bos=None)).encode("x") == [ord("x")]


@pytest.mark.parametrize("specials, ends", [
    ({"<|x|>": 3, "<|eot_id|>": 3, "<|eom_id|>": 3}, {258, 259, 260}),  # the first is the one of the keys
    ({"<|x|>": 3, "<|im_end|>": 1, "<end_of_turn>": 4}, {258, 259, 260}),
    ({"<|x|>": 3, "<|end|>": 3, "<|return|>": 3, "<|call|>": 3}, {258, 260, 261}),  # there "end" ends a message only
    ({"<|x|>": 3, "<|end|>": 3, "<|return|>": 3}, {258, 259, 260}),
    ({"<|x|>": 3, "</s>": 3, "<|tool_response>": 3}, {258, 260}),
    ({"<|x|>": 3, "</s>": 1}, {258, 259}),
    ({"<|x|>": 3, "<|im_end": 3}, {258}),
])
def test_ends(specials, ends, bytes_data):
    assert Tokenizer(bytes_data(specials)).eos_ids == ends


def test_an_end_by_key_may_be_an_ordinary_token(bytes_data):
    tokenizer = Tokenizer(bytes_data(eos_ids=frozenset({98, 99_999}), bos=None))
    assert tokenizer.eos_ids == {98, 99_999} and tokenizer.encode("abc b") == [257, ord(" "), 98]
    assert tokenizer.token_bytes(98) == b"b"


@pytest.mark.parametrize("name", ["<|im_end|>", "<|im_start|>", "<|eot_id|>", "<start_of_turn>", "<fim_prefix>"])
def test_control_tokens_typed_normal(name, bytes_data):
    tokenizer = Tokenizer(bytes_data({"<|x|>": 3, name: 1}))
    assert tokenizer.encode(f"x{name}") == [ord("x"), 259] and tokenizer.decode([259]) == ""
    assert tokenizer.encode(name, special=False) == [*name.encode()]


def test_markup_that_is_a_part_of_answers(bytes_data):
    tokenizer = Tokenizer(bytes_data({"<|channel|>": 3}))
    assert tokenizer.decode([258, ord("x")]) == "<|channel|>x"


def test_longest_first_and_white_space_after(bytes_data):
    tokens = {"<|x|>": 3, "<s>": 3, "\n\n": 4, "\n\n\n": 4, "<b>": 4}
    assert Tokenizer(bytes_data(tokens)).encode("<b>\n\n\n\n", special=False) == [262, 261, ord("\n")]
    stripping = Tokenizer(bytes_data(tokens, strip_after=True))
    assert stripping.encode("<|x|> \n a<s> b") == [258, ord("a"), 259, ord(" "), ord("b")]


def test_unused_and_unknown_tokens_are_not_shown(bytes_data):
    tokenizer = Tokenizer(bytes_data({"<|x|>": 3, "[PAD]": 5, "<unk>": 2, "<0x41>": 6, "<0xZZ>": 6}))
    assert [tokenizer.token_bytes(token) for token in range(259, 263)] == [b"", b"", b"A", b"<0xZZ>"]
    assert tokenizer.encode("<unk>") == [260]
