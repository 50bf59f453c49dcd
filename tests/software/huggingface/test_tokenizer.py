"""Tokenizer files of several kinds: the ids and texts are the library's own."""

import json
import random

import pytest
from dojang.checkpoints import CheckpointError
from dojang.checkpoints.huggingface.tokenizer import tokenizer_data
from dojang.tokenizer import TextStream, Tokenizer, TokenizerError
from tokenizers import AddedToken, decoders, models, normalizers, pre_tokenizers, processors
from tokenizers import Tokenizer as Library

BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
PIECES = ["▁", *"abcdehlotuw", "he", "ll", "▁hell", "▁he", "low", "안", "녕"]
MERGES = [("h", "e"), ("l", "l"), ("▁", "he"), ("▁he", "ll"), ("lo", "w")]
TEXTS = ["hello", " hello  low", "안녕 hello 🎉", "a</s>b", "<s>he", "<|user|>  hello", "x <|user|>\n\nhe", ""]


def spaced(scheme):
    """Like Llama 2 (``legacy``: a normalizer puts the space in front of every section) or with a Metaspace."""
    merges = [pair for pair in MERGES if all(part in PIECES for part in (*pair, "".join(pair)))]
    vocab = {token: index for index, token in enumerate(["<unk>", "<s>", "</s>", *BYTES, *PIECES])}
    library = Library(models.BPE(vocab=vocab, merges=merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    replaced = decoders.Replace("▁", " ")
    if scheme == "legacy":
        library.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
        library.decoder = decoders.Sequence([replaced, decoders.ByteFallback(), decoders.Fuse(),
                                             decoders.Strip(" ", 1, 0)])
    elif scheme == "bare":  # Gemma
        library.normalizer = normalizers.Replace(" ", "▁")
        library.decoder = decoders.Sequence([replaced, decoders.ByteFallback(), decoders.Fuse()])
    else:
        library.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme, split=False)
        library.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace(prepend_scheme=scheme)])
    library.add_special_tokens([AddedToken(token, normalized=False) for token in ("<unk>", "<s>", "</s>")])
    library.add_tokens([AddedToken("<|user|>", rstrip=True, normalized=False), AddedToken("  ", normalized=False)])
    library.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return library


SETTINGS = {"bos_token": "<s>", "eos_token": {"content": "</s>"}, "chat_template":
            "{% for m in messages %}<|user|>{{ m.content }}</s>{% endfor %}"}


def make(path, library, settings=SETTINGS, **documents):
    path.mkdir(exist_ok=True)
    library.save(str(path / "tokenizer.json"))
    for name, content in {"tokenizer_config": settings, **documents}.items():
        (path / f"{name}.json").write_text(json.dumps(content))
    return path


SCHEMES = ["legacy", "bare", "always", "first", "never"]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_ids_are_the_librarys(scheme, tmp_path):
    library = spaced(scheme)
    tokenizer = Tokenizer(tokenizer_data(make(tmp_path, library), 1000))
    for text in TEXTS:
        expected = library.encode(text).ids
        assert tokenizer.encode(text) == (expected[1:] if expected[:2] == [1, 1] else expected)  # one begin token
    assert tokenizer.eos_ids == {2} and tokenizer.messages == []


@pytest.mark.parametrize("scheme", SCHEMES)
def test_markup_of_users_is_text(scheme, tmp_path):
    library = spaced(scheme)
    tokenizer = Tokenizer(tokenizer_data(make(tmp_path, library), 1000))
    data = tokenizer_data(tmp_path, 1000)
    markup = {data.tokens.index(token) for token in ("<unk>", "<s>", "</s>", "<|user|>")}
    for text in TEXTS:
        ids = tokenizer.encode(text, special=False)
        assert ids[0] == 1 and markup.isdisjoint(ids[1:])
        assert tokenizer.decode(ids) == library.decode(ids)
        assert all(marker not in text or marker in tokenizer.decode(ids) for marker in ("<s>", "</s>", "<|user|>"))
    chat = tokenizer.encode_chat([{"role": "user", "content": "he</s>ll <|user|>"}])
    assert [token for token in chat if token in markup] == [1, data.tokens.index("<|user|>"), 2]
    for content in ("hello", "hello <"):  # the latter begins like markup, and is read apart from the template's
        plain = tokenizer.encode_chat([{"role": "user", "content": content}])
        assert plain == library.encode(f"<|user|>{content}</s>").ids


@pytest.mark.parametrize("scheme", SCHEMES)
def test_texts_are_the_librarys(scheme, tmp_path):
    library, rng = spaced(scheme), random.Random(1)
    tokenizer = Tokenizer(tokenizer_data(make(tmp_path, library), 1000))
    for _ in range(200):
        ids = [rng.randrange(259, 259 + len(PIECES)) for _ in range(rng.randrange(1, 12))]
        expected, stream = library.decode(ids), TextStream(tokenizer, begins=True)
        assert tokenizer.decode(ids) == expected
        assert "".join(map(stream.push, ids)) + stream.flush() == expected
    ids = [3 + byte for byte in "도".encode()]
    stream = TextStream(tokenizer)
    assert [stream.push(token) for token in ids] == ["", "", "도"]


def test_ends_of_all_files_count(tmp_path):
    make(tmp_path, spaced("bare"), generation_config={"eos_token_id": [2, 5]}, config={"eos_token_id": 7})
    data = tokenizer_data(tmp_path, 1000)
    assert data.eos_ids == {2, 5, 7} and (data.bos, data.eos) == (1, 2)
    (tmp_path / "chat_template.jinja").write_text("of its own")
    assert tokenizer_data(tmp_path, 1000).chat_template == "of its own"
    for name, content, message in (
            ("generation_config", {"eos_token_id": 1000}, "eos_token_id is 1000, expected token ids below 1000"),
            ("generation_config", {"eos_token_id": "a"}, "eos_token_id is 'a', expected token ids"),
            ("tokenizer_config", {"eos_token": 3}, "eos_token is 3, expected a text"),
            ("tokenizer.json", {"model": {}}, "cannot be read by the library tokenizers")):
        make(tmp_path, spaced("bare"), generation_config={}, config={})
        (tmp_path / (name if "." in name else f"{name}.json")).write_text(json.dumps(content))
        with pytest.raises(CheckpointError, match=message):
            tokenizer_data(tmp_path, 1000)


def test_what_is_behind_a_text_is_told(tmp_path):
    library = spaced("bare")
    library.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)])
    tokenizer = Tokenizer(tokenizer_data(make(tmp_path, library), 1000))
    assert tokenizer.encode("he")[0] == 1 and 2 not in tokenizer.encode("he")
    assert tokenizer.messages == ["</s>, which tokenizer.json puts behind texts, is left out: answers follow"]


def test_other_decoders_and_no_tokenizer(tmp_path):
    library = spaced("bare")
    library.decoder = decoders.WordPiece()
    with pytest.raises(TokenizerError, match=r"decoder 'WordPiece' of tokenizer\.json is not supported"):
        Tokenizer(tokenizer_data(make(tmp_path, library), 1000))
    (tmp_path / "tokenizer.json").unlink()
    with pytest.raises(TokenizerError, match="holds no tokenizer"):
        Tokenizer(tokenizer_data(tmp_path, 1000))


def test_a_vocabulary_whose_whole_words_are_markup(tmp_path):
    """A unigram model, or one that does not merge words that are tokens, finds markup in plain text by itself."""
    vocab = [*((token, 0.0) for token in ("<unk>", "<s>", "</s>")), *((letter, -9.0) for letter in "</s>a")]
    library = Library(models.Unigram(vocab, 0, False))
    library.decoder = decoders.Metaspace(prepend_scheme="never")
    library.add_special_tokens([AddedToken(token, normalized=False) for token in ("<unk>", "<s>", "</s>")])
    tokenizer = Tokenizer(tokenizer_data(make(tmp_path, library), 1000))
    assert tokenizer.encode("a</s>") == [7, 2]
    assert tokenizer.encode("a</s>", special=False) == [7, 3, 4, 5, 6]
    assert tokenizer.dropped("az") == ["z of the prompt has no token: read as unknown"]
