"""Tokenizer of a folder: the document that the library `tokenizers` reads, and what other files say beside it."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gguf import TokenType
from tokenizers import Tokenizer

from ..checkpoint import TokenizerData
from ..errors import CheckpointError, named, shown
from .documents import read_json, read_text

__all__ = ["tokenizer_data"]

DOCUMENT, SETTINGS, SPECIAL, TEMPLATE = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
                                         "chat_template.jinja")
IDS = ("generation_config.json", "config.json")
"""Files with ids of the begin and end tokens, the first that has one first."""

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = (int(kind) for kind in (
    TokenType.NORMAL, TokenType.UNKNOWN, TokenType.CONTROL, TokenType.USER_DEFINED, TokenType.UNUSED, TokenType.BYTE))

BYTE_TOKEN = re.compile("<0x[0-9A-Fa-f]{2}>")

LARGEST_ID = 1 << 22

DEFAULT = "default"
"""Name of the chat template among several."""


def tokenizer_data(folder: Path, vocab: int) -> TokenizerData:
    """What the files of a folder say; ids are below ``vocab``. Data without a document if there is no tokenizer.json.

    Raises
    ------
    CheckpointError: a file is damaged, or holds a value that it cannot have.
    """
    if not (folder / DOCUMENT).exists():
        return TokenizerData("tokenizers")
    document = read_text(folder / DOCUMENT)
    tokens, types = _vocabulary(folder / DOCUMENT, document)
    ids = {token: index for index, token in reversed(list(enumerate(tokens)))}
    texts = {**_optional(folder / SPECIAL), **_optional(folder / SETTINGS)}
    numbers = [(folder / name, _numbers(folder / name)) for name in IDS]

    def of_text(key: str) -> list[int]:
        value = texts.get(key)
        value = value.get("content") if isinstance(value, dict) else value
        if value is not None and not isinstance(value, str):
            raise CheckpointError(f"{folder / SETTINGS}: {key} is {shown(value)}, expected a text")
        return [ids[value]] if value in ids else []

    def of_numbers(path: Path, values: Mapping[str, Any], key: str) -> list[int]:
        value = values.get(key)
        listed = value if isinstance(value, list) else [] if value is None else [value]
        for token in listed:
            if type(token) is not int or not 0 <= token < vocab:
                raise CheckpointError(f"{path}: {key} is {shown(value)}, expected token ids below {vocab}")
        return listed

    ends = [token for path, values in numbers for token in of_numbers(path, values, "eos_token_id")]
    end = [*of_text("eos_token"), *ends]
    begin = [*of_text("bos_token"), *(token for path, values in numbers
                                      for token in of_numbers(path, values, "bos_token_id"))]
    return TokenizerData(
        "tokenizers", None, tokens, types, bos=begin[0] if begin else None, eos=end[0] if end else None, add_bos=None,
        eos_ids=frozenset(end), chat_template=_template(folder, texts.get("chat_template")),
        document=document)


def _optional(path: Path) -> dict[str, Any]:
    return read_json(path) if path.exists() else {}


def _numbers(path: Path) -> dict[str, Any]:
    values = _optional(path)
    inner = values.get("text_config")
    return {**values, **inner} if isinstance(inner, dict) else values


def _vocabulary(path: Path, document: str) -> tuple[list[str], list[int]]:
    """Text and GGUF's type of each id."""
    try:
        library = Tokenizer.from_str(document)
    except Exception as error:  # the library raises plain Exception
        raise CheckpointError(f"{path} cannot be read by the library tokenizers: {error}") from None
    ids = library.get_vocab(with_added_tokens=True)
    if max(ids.values(), default=0) > LARGEST_ID:
        raise CheckpointError(f"{path} has the token id {max(ids.values()):,}, expected at most {LARGEST_ID:,}")
    count = max(ids.values(), default=-1) + 1
    tokens, types = [""] * count, [UNUSED] * count
    model = json.loads(document)["model"]
    for token, index in ids.items():
        byte = model.get("byte_fallback") and BYTE_TOKEN.fullmatch(token)
        tokens[index], types[index] = token, BYTE if byte else NORMAL
    for index, added in library.get_added_tokens_decoder().items():
        types[index] = CONTROL if added.special else USER_DEFINED
    unknown = ids.get(model.get("unk_token") or "", model.get("unk_id"))
    if unknown is not None:
        types[unknown] = UNKNOWN
    return tokens, types


def _template(folder: Path, listed: Any) -> str | None:
    """The file of its own, or what the settings have: one template, or the default one of several with names."""
    if (folder / TEMPLATE).exists():
        return read_text(folder / TEMPLATE)
    if isinstance(listed, list):
        found = {entry.get("name"): entry.get("template") for entry in listed if isinstance(entry, dict)}
        if DEFAULT not in found:
            raise CheckpointError(f"{folder / SETTINGS}: chat_template has {named(str(list(found)))}, expected one "
                                  f"with the name {DEFAULT!r}")
        listed = found[DEFAULT]
    if listed is not None and not isinstance(listed, str):
        raise CheckpointError(f"{folder / SETTINGS}: chat_template is {shown(listed)}, expected a text")
    return listed
