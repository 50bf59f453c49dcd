"""Tokenizers: known ids, round trips, streaming, chat, errors."""

import random
from dataclasses import replace

import glassllm
import pytest
from dojang.checkpoints import TokenizerData, load
from dojang.tokenizer import PRE_TOKENIZERS, TextStream, Tokenizer, TokenizerError, byte_characters

TEXTS = ["The capital of France is", "  two  spaces\n\n\tand tabs \r\n", "2025-11-22: 3.14159, 1000000",
         "naïve café, 日本語のテキスト, emoji 🎉👩‍👩‍👧", "def f(x):\n    return x**2  # don't\n", "안녕하세요 도장",
         "zero\x00byte"]


@pytest.fixture(scope="module")
def smollm2():
    return Tokenizer(load("smollm2").tokenizer)


def bytes_model(**changes):
    """A model with one token per byte, a few merges and special tokens."""
    table = byte_characters()
    tokens = [*table, "ab", "abc", "<|end|>", "<|user|>"]
    types = [1] * 258 + [3, 4]
    data = TokenizerData("gpt2", "default", tokens, types, ["a b", "ab c"], bos=258, eos=258, eos_ids=frozenset({258}))
    return replace(data, **changes)


def test_known_ids(smollm2):
    assert smollm2.encode("The capital of France is") == [504, 3575, 282, 4649, 314]
    assert smollm2.encode("2025")[-4:] == [34, 32, 34, 37]  # digits are single
    assert smollm2.eos_ids == {0, 2, 4}  # end of text, of turn, of file


@pytest.mark.parametrize("text", TEXTS)
def test_round_trip(smollm2, text):
    assert smollm2.decode(smollm2.encode(text)) == text


def test_random_round_trips(smollm2):
    rng = random.Random(4)
    for _ in range(300):
        ranges = rng.choices((range(32, 127), range(160, 0xD800), range(0x1F300, 0x1F700)), k=rng.randrange(1, 30))
        text = "".join(chr(rng.choice(characters)) for characters in ranges)
        assert smollm2.decode(smollm2.encode(text)) == text


def test_stream_never_emits_half_a_character(smollm2):
    for text in TEXTS:
        stream, pieces = TextStream(smollm2), []
        for token in smollm2.encode(text):
            pieces.append(stream.push(token))
            assert "\ufffd" not in pieces[-1]
        assert "".join(pieces) + stream.flush() == text


def test_stream_replaces_an_unfinished_character():
    tokenizer = Tokenizer(bytes_model())
    stream = TextStream(tokenizer)
    assert stream.push(0xE6) == "" and stream.push(0x97) == ""
    assert stream.flush() == "\ufffd"
    assert stream.push(0xE6) + stream.push(0x97) + stream.push(0xA5) == "日"


def test_special_tokens():
    tokenizer = Tokenizer(bytes_model())
    assert tokenizer.encode("xabc<|end|>ab<|user|>") == [ord("x"), 257, 258, 256, 259]
    assert tokenizer.decode([257, 258, 259]) == "abc<|user|>"  # control tokens are not text, user-defined ones are
    assert tokenizer.decode([100_000]) == ""


def test_begin_token_once():
    tokenizer = Tokenizer(bytes_model(add_bos=True))
    assert tokenizer.encode("x") == [258, ord("x")] and tokenizer.encode("<|end|>x") == [258, ord("x")]


@pytest.mark.parametrize("pre", [name for name, pre in PRE_TOKENIZERS.items() if not pre.spaced])
def test_every_pre_tokenizer_keeps_the_text(pre):
    tokenizer = Tokenizer(bytes_model(pre=pre))
    for text in TEXTS:
        assert tokenizer.decode(tokenizer.encode(text)) == text


def test_whole_words_ignore_merges():
    # "abc" is reachable as a word but not by merges
    assert Tokenizer(bytes_model(pre="gpt-2", merges=["a b"])).encode("abc") == [256, ord("c")]
    assert Tokenizer(bytes_model(pre="llama-bpe", merges=["a b"])).encode("abc") == [257]


def test_chat_template_of_smollm2(smollm2):
    text = smollm2.chat("Hi <b>")
    assert text == ("<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face"
                    "<|im_end|>\n<|im_start|>user\nHi <b><|im_end|>\n<|im_start|>assistant\n")
    ids = smollm2.encode(text)
    assert (ids.count(1), ids.count(2)) == (3, 2)


@pytest.mark.parametrize("template, message", [
    (None, "the model has no chat template, give it a plain prompt"),
    ("{% for x in", "the model's chat template fails: "),
    ("{{ raise_exception('no users here') }}", "the model's chat template fails: no users here"),
    ("{{ ''.__class__.__mro__ }}", "the model's chat template fails: access to attribute"),
])
def test_chat_errors(template, message):
    with pytest.raises(TokenizerError) as error:
        Tokenizer(bytes_model(chat_template=template)).chat("x")
    assert str(error.value).startswith(message)


def test_chat_sees_begin_and_end_tokens():
    template = "{{ bos_token }}{% for m in messages %}{{ m['role'] }}:{{ m.content }}{% endfor %}{{ eos_token }}"
    assert Tokenizer(bytes_model(chat_template=template)).chat("q") == "<|end|>user:q<|end|>"


@pytest.mark.parametrize("changes, message", [
    ({"model": "t5"}, "tokenizer model 't5' is not supported, expected one of gpt2, llama, "),
    ({"pre": "nobody"}, "pre-tokenizer 'nobody' is not supported, expected one of default, gpt-2, "),
    ({"tokens": [], "types": []}, "the model file holds no tokenizer"),
    ({"merges": ["a q"]}, "the tokenizer of the model is corrupt: "),
    ({"types": [1]}, "the tokenizer of the model is corrupt: "),
])
def test_unsupported_and_corrupt(changes, message):
    with pytest.raises(TokenizerError) as error:
        Tokenizer(bytes_model(**changes))
    assert str(error.value).startswith(message)


def test_glassllm_equals_the_packages_own():
    _, reference = glassllm.load_pretrained("en")
    tokenizer = Tokenizer(load("glassllm").tokenizer)
    rng = random.Random(5)
    texts = [*TEXTS, "Once upon a time", "  a \n\n b  ", "<eos> is text",
             *("".join(rng.choices("abcdefghij THE\n.,'é▁", k=60)) for _ in range(100))]
    for text in texts:
        ids = tokenizer.encode(text)
        assert ids == reference.encode(text)
        assert tokenizer.decode(ids) == reference.decode(ids)
    assert tokenizer.decode([0, 2, 3]) == ""
