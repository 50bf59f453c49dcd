"""Tokenizers: known ids, round trips, streaming, errors."""

import random

import glassllm
import pytest
from dojang.checkpoints import load
from dojang.tokenizer import PRE_TOKENIZERS, TextStream, Tokenizer, TokenizerError

TEXTS = ["The capital of France is", "  two  spaces\n\n\tand tabs \r\n", "2025-11-22: 3.14159, 1000000",
         "naïve café, 日本語のテキスト, emoji 🎉👩‍👩‍👧", "def f(x):\n    return x**2  # don't\n", "안녕하세요 도장",
         "zero\x00byte"]


@pytest.fixture(scope="module")
def smollm2():
    return Tokenizer(load("smollm2").tokenizer)


def test_known_ids(smollm2):
    assert smollm2.encode("The capital of France is") == [504, 3575, 282, 4649, 314]
    assert smollm2.encode("2025")[-4:] == [34, 32, 34, 37]  # digits are single
    assert smollm2.eos_ids == {0, 2, 4}  # end of text, of turn, of repository
    assert smollm2.vocab_size == 49152 and smollm2.messages == []


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


def test_stream_replaces_an_unfinished_character(bytes_data):
    tokenizer = Tokenizer(bytes_data())
    stream = TextStream(tokenizer)
    assert stream.push(0xE6) == "" and stream.push(0x97) == ""
    assert stream.flush() == "\ufffd"
    assert stream.push(0xE6) + stream.push(0x97) + stream.push(0xA5) == "日"


@pytest.mark.parametrize("pre", [name for name, pre in PRE_TOKENIZERS.items() if not pre.spaced])
def test_every_pre_tokenizer_keeps_the_text(pre, bytes_data):
    tokenizer = Tokenizer(bytes_data(pre=pre))
    for text in TEXTS:
        assert tokenizer.decode(tokenizer.encode(text)) == text


def test_whole_words_ignore_merges(bytes_data):
    # "abc" is reachable as a word but not by merges
    assert Tokenizer(bytes_data(pre="gpt-2", merges=["a b"])).encode("abc") == [256, ord("c")]
    assert Tokenizer(bytes_data(pre="llama-bpe", merges=["a b"], add_bos=False)).encode("abc") == [257]
    spelled = bytes_data({"end": 3}, pre="llama-bpe", add_bos=False)
    assert Tokenizer(spelled).encode("end", special=False) == [*b"end"]


@pytest.mark.parametrize("text, read", [("x\udcff", "x\ufffd"), ("\ud83d\ud83dy", "\ufffd\ufffdy")])
def test_what_is_no_character_is_replaced(text, read, bytes_data):
    tokenizer = Tokenizer(bytes_data(chat_template="{{ messages[0].content }}"))
    assert tokenizer.encode(text) == tokenizer.encode_chat([{"role": "user", "content": text}]) == [*read.encode()]


def test_dropped_bytes_are_told(bytes_data):
    data = bytes_data()
    gone = {data.tokens[byte]: f"[{byte}]" for byte in (0x04, 0xED)}
    tokenizer = Tokenizer(bytes_data(tokens=[gone.get(token, token) for token in data.tokens]))
    assert tokenizer.dropped("abc é") == []
    assert tokenizer.dropped("z한 한") == ["byte 0xED of the prompt has no token and is dropped (in 한)"]
    (sentence,) = tokenizer.dropped("\x04한")
    assert sentence == "bytes 0x04, 0xED of the prompt have no token and are dropped (in U+0004, 한)"
    assert tokenizer.encode("z한") == [ord("z"), 0x95, 0x9C]


def test_what_is_beside_a_dropped_byte_does_not_merge(bytes_data):
    data = bytes_data(pre="gpt-2")
    gone = {data.tokens[byte]: f"[{byte}]" for byte in "é".encode()}
    tokenizer = Tokenizer(bytes_data(pre="gpt-2", tokens=[gone.get(token, token) for token in data.tokens]))
    assert tokenizer.encode("aéb") == [ord("a"), ord("b")] and tokenizer.encode("ab") == [256]


def test_many_dropped_characters_stay_a_line(bytes_data):
    tokenizer = Tokenizer(bytes_data(tokens=[*"abcdefgh", *(f"[{n}]" for n in range(252))], merges=[]))
    (sentence,) = tokenizer.dropped("".join(map(chr, range(0x100, 0x200))))
    assert len(sentence) < 250 and "and 248 more" in sentence


@pytest.mark.parametrize("changes, message", [
    ({"model": "t5"}, "tokenizer model 't5' is not supported, expected one of gpt2, llama, "),
    ({"model": "x" * 999}, "tokenizer model 'xxxxxxxx"),
    ({"pre": "nobody"}, "pre-tokenizer 'nobody' is not supported, expected one of default, gpt-2, "),
    ({"tokens": [], "types": []}, "the model file holds no tokenizer"),
    ({"merges": ["a q"]}, "the tokenizer of the model is corrupt: "),
    ({"merges": ["ab"]}, "the tokenizer of the model is corrupt: merge 'ab' has one side"),
    ({"types": [1]}, "the tokenizer of the model is corrupt: 1 token types for 260 tokens"),
])
def test_unsupported_and_corrupt(changes, message, bytes_data):
    with pytest.raises(TokenizerError) as error:
        Tokenizer(bytes_data(**changes))
    assert str(error.value).startswith(message) and len(str(error.value)) < 1400


def test_a_missing_pre_tokenizer_is_told(bytes_data):
    tokenizer = Tokenizer(bytes_data(pre=None))
    assert len(tokenizer.messages) == 1 and "names no pre-tokenizer (tokenizer.ggml.pre)" in tokenizer.messages[0]
    assert Tokenizer(bytes_data(pre="")).messages == tokenizer.messages
    assert tokenizer.encode("x 1234") == Tokenizer(bytes_data()).encode("x 1234")


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
    assert tokenizer.dropped("Once") == []
    assert tokenizer.dropped("a 도장") == ["characters 도, 장 of the prompt have no token: read as <unk>"]
