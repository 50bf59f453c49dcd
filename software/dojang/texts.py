"""Texts that language models are judged and calibrated on, as windows of token ids.

The builtin texts come out of what is installed: ``pydoc``, the topics of Python's help (another text in every Python
release), and ``lee``, the Lee background corpus, a file inside the package gensim, of which nothing else is used. The
first `EVALUATION` windows of each are for evaluation, the rest is for calibration.
"""

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from .errors import DojangError
from .tokenizer import Tokenizer

__all__ = ["BUILTIN", "CALIBRATION", "EVALUATION", "LENGTH", "TextError", "builtin_text", "calibration_windows",
           "installed_texts", "read_text", "windows"]

LENGTH = 256
"""Tokens of a window."""
EVALUATION = 12
"""Windows at the beginning of a builtin text that calibration leaves alone."""
CALIBRATION = 256
"""Windows for calibration. SmolLM2 in X2.5, perplexity of lee and pydoc, each measured once: with 40 56.7 and 24.2,
with 128 52.5 and 24.0, with 256 53.7 and 24.6."""
BUILTIN = ("lee", "pydoc")


class TextError(DojangError):
    """A text is missing, unreadable or too short."""


def builtin_text(name: str) -> str:
    """A builtin text; raises `TextError` if its package is not installed."""
    if name == "pydoc":
        from pydoc_data.topics import topics

        return "\n".join(topics.values())
    spec = find_spec("gensim")
    path = Path(spec.origin).parent / "test/test_data/lee_background.cor" if spec and spec.origin else None
    if path is None or not path.exists():
        raise TextError("the text lee is a file inside the package gensim, which is not installed; 'pip install "
                        "--no-deps gensim' brings it")
    return path.read_text(encoding="utf-8")


def installed_texts() -> dict[str, str]:
    """The builtin texts that are here, by name: `pydoc` always is."""
    found = {}
    for name in BUILTIN:
        try:
            found[name] = builtin_text(name)
        except TextError:
            continue
    return found


def read_text(path: Path) -> str:
    """A text file in UTF-8."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise TextError(f"the text {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise TextError(f"the text {path} is not UTF-8") from None


def windows(text: str, tokenizer: Tokenizer, count: int | None, length: int = LENGTH, name: str = "the text"
            ) -> np.ndarray:
    """The first ``count`` windows, all if None: token ids [windows, length]."""
    ids = tokenizer.encode(text)
    whole = len(ids) // length
    if whole < (count or 1):
        raise TextError(f"{name} has {len(ids)} tokens, expected at least {(count or 1) * length} for {count or 1} "
                        f"windows of {length}")
    count = count or whole
    return np.array(ids[:count * length]).reshape(count, length)


def calibration_windows(tokenizer: Tokenizer, source: str | Path = "builtin", count: int = CALIBRATION,
                        length: int = LENGTH) -> tuple[np.ndarray, list[str]]:
    """Windows [count, length] for calibration, spread evenly over the texts, and the texts' names.

    ``source``: ``"builtin"``, the installed builtin texts without their windows for evaluation, or a file. A file may
    be shorter than asked for; it then gives all its whole windows.
    """
    if str(source) != "builtin":
        found = windows(read_text(Path(source)), tokenizer, None, length, str(source))
        return _spread(found, count), [str(source)]
    texts = installed_texts()
    parts = [windows(text, tokenizer, None, length, name)[EVALUATION * LENGTH // length:]
             for name, text in texts.items()]
    shares = [len(share) for share in np.array_split(np.arange(count), len(parts))]
    return np.concatenate([_spread(part, share) for part, share in zip(parts, shares, strict=True)]), list(texts)


def _spread(found: np.ndarray, count: int) -> np.ndarray:
    return found[np.unique(np.linspace(0, len(found) - 1, min(count, len(found))).round().astype(int))]
