"""Tokenizer data of a file."""

from typing import Any

from ..checkpoint import TokenizerData
from ..errors import CheckpointError, shown
from ..keyed_file import KeyedFile

__all__ = ["tokenizer_data"]

NO_TOKEN = (-1, 2**32 - 1, 2**64 - 1)
"""Ids that mean that there is no such token: -1, and -1 without its sign."""

STRIPPING = ("phi-3", "phi3")
"""Parts of names of models whose control tokens swallow the white space after them; no key says so."""


def tokenizer_data(file: KeyedFile) -> TokenizerData:
    """What the keys ``tokenizer.*`` say.

    Raises
    ------
    CheckpointError: a key that is used has a value that it cannot have (key and value are named).
    """
    try:
        return _Keys(file).data()
    except CheckpointError:
        raise
    except Exception as error:  # bad UTF-8 and whatever else a damaged byte leads to
        raise CheckpointError(f"{file.path}: the tokenizer is corrupt: {error}") from None


class _Keys:
    def __init__(self, file: KeyedFile):
        self._file = file

    def data(self) -> TokenizerData:
        tokens = self._all("tokens", str, "texts")
        types = self._all("token_type", int, "integers") or [1] * len(tokens)
        add_bos = self._flag("add_bos_token")
        template = self._one("tokenizer.chat_template", str, "a text")
        ends = {key: self._token(key, len(tokens), used=True)
                for key in ("eos_token_id", "eot_token_id", "eom_token_id")}
        for key in ("fim_pad_token_id", "fim_rep_token_id", "fim_sep_token_id"):
            ends[key] = self._token(key, len(tokens), used=False)
        named = template is not None and "bos_token" in template
        bos = self._token("bos_token_id", len(tokens), used=add_bos is not False or named)
        model = self._one("tokenizer.ggml.model", str, "a text") or "none"
        if add_bos and bos is None and self._file.field("tokenizer.ggml.bos_token_id") is not None:
            raise self._wrong("tokenizer.ggml.bos_token_id", f"a token id below {len(tokens)}, as add_bos_token is set")
        if model == "llama":
            bos = self._usual(bos, "bos", tokens)
            ends["eos_token_id"] = self._usual(ends["eos_token_id"], "eos", tokens)
        name = self._file.field("general.name")
        return TokenizerData(
            model=model, pre=self._one("tokenizer.ggml.pre", str, "a text"), tokens=tokens, types=types,
            merges=self._all("merges", str, "texts"), bos=bos, eos=ends["eos_token_id"], add_bos=add_bos,
            eos_ids=frozenset(token for token in ends.values() if token is not None), chat_template=template,
            scores=self._all("scores", (int, float), "numbers"), add_space_prefix=self._flag("add_space_prefix"),
            strip_after=isinstance(name, str) and any(part in name.lower() for part in STRIPPING))

    def _one(self, key: str, kind, expected: str) -> Any:
        value = self._file.field(key)
        if value is not None and not isinstance(value, kind):
            raise self._wrong(key, expected)
        return value

    def _all(self, name: str, kind, expected: str) -> list:
        value = self._file.field(f"tokenizer.ggml.{name}")
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(item, kind) for item in value):
            raise self._wrong(f"tokenizer.ggml.{name}", f"a list of {expected}")
        return value

    def _flag(self, name: str) -> bool | None:
        value = self._file.field(f"tokenizer.ggml.{name}")
        if value not in (None, 0, 1) or isinstance(value, float):
            raise self._wrong(f"tokenizer.ggml.{name}", "true or false")
        return None if value is None else bool(value)

    def _token(self, name: str, count: int, used: bool) -> int | None:
        """A token id; None if there is no such token, or if it is no id but not `used` either."""
        key = f"tokenizer.ggml.{name}"
        value = self._file.field(key)
        if value is None or (isinstance(value, int) and value in NO_TOKEN):
            return None
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < count:
            return value
        if used:
            raise self._wrong(key, f"a token id below {count}")
        return None

    def _usual(self, token: int | None, name: str, tokens: list[str]) -> int | None:
        """The begin or end token of the first SentencePiece models, where the file does not say which it is."""
        usual = {"bos": 1, "eos": 2}[name]
        missing = token is None and self._file.field(f"tokenizer.ggml.{name}_token_id") is None
        return usual if missing and usual < len(tokens) else token

    def _wrong(self, key: str, expected: str) -> CheckpointError:
        return CheckpointError(f"{self._file.path}: {key} is {shown(self._file.field(key))}, expected {expected}")
