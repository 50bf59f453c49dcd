"""Makes vocabularies.json: of llama.cpp's vocabularies what their own test texts need, with the ids expected.

    python tests/software/tokenizer/make_vocabularies.py MODELS

MODELS is the folder ``vendor/llama.cpp/models`` of llama-cpp-python's source package. Kept of a vocabulary are the
bytes, every merge that its algorithm looks up and finds in these texts, split or not, the tokens they make, the words
taken whole, and user-defined tokens that occur. The expected answers are those beside the vocabularies, as texts of
tokens, not what this package answers.
"""

import json
import sys
from itertools import pairwise
from pathlib import Path

from dojang.checkpoints.gguf.file import GGUFFile
from dojang.checkpoints.gguf.vocabulary import tokenizer_data
from dojang.tokenizer import PRE_TOKENIZERS, Tokenizer, byte_characters
from dojang.tokenizer.special import USER_DEFINED

NAMES = ("llama-spm", "phi-3", "llama-bpe", "gpt-2", "qwen2", "qwen35", "starcoder", "refact", "falcon", "mpt",
         "command-r", "deepseek-llm", "deepseek-coder", "gemma-4")
SEPARATOR = "\n__ggml_vocab_test__\n"


def cases(models: Path, name: str) -> list[tuple[str, list[int]]]:
    """Texts and the ids expected."""
    file = models / f"ggml-vocab-{name}.gguf"
    texts = Path(f"{file}.inp").read_bytes().decode().split(SEPARATOR)
    lines = Path(f"{file}.out").read_text().splitlines()
    return [(text, [int(word) for word in line.split()]) for text, line in zip(texts, lines, strict=False)]


def found_merges(words, rank):
    """Pairs that have a rank, of all that meet while these words are merged; ``rank(left, right)`` or None."""
    found = set()
    for word in words:
        symbols = list(word)
        while True:
            pairs = [(rank(*pair), at) for at, pair in enumerate(pairwise(symbols))]
            found |= {(symbols[at], symbols[at + 1]) for value, at in pairs if value is not None}
            best = min((pair for pair in pairs if pair[0] is not None), default=None)
            if best is None:
                break
            symbols[best[1]:best[1] + 2] = ["".join(symbols[best[1]:best[1] + 2])]
    return found


def reduced(models: Path, name: str) -> dict:
    data = tokenizer_data(GGUFFile(models / f"ggml-vocab-{name}.gguf"))
    texts = cases(models, name)
    expected = [[data.tokens[token] for token in ids] for _, ids in texts]
    defined = {token for token, kind in zip(data.tokens, data.types, strict=True) if kind == USER_DEFINED}
    kept = {"model": data.model, "pre": data.pre, "texts": [text for text, _ in texts], "expected": expected,
            "defined": sorted(token for token in defined if any(token in text for text, _ in texts))}
    if data.model == "llama":
        scores = dict(zip(data.tokens, data.scores, strict=True))
        words = ["▁" + text.replace(" ", "▁") for text, _ in texts]
        pairs = found_merges(words, lambda left, right: -scores[left + right] if left + right in scores else None)
        tokens = {left + right for left, right in pairs} | {c for word in words for c in word if c in scores}
        order = sorted(tokens, key=lambda token: (-scores[token], token))
        return {**kept, "scores": {token: scores[token] for token in order}}
    ranks = {}
    for rank, merge in enumerate(data.merges):
        at = merge.find(" ", 1)
        ranks.setdefault((merge[:at], merge[at + 1:]), rank)
    if data.model == "gemma4":
        words = [run for text, _ in texts for run in text.replace(" ", "▁").split("\n") if run]
        whole = [token for answer in expected for token in answer]  # characters and bytes too
    else:
        pre = Tokenizer(data)._vocabulary._tokenizer.pre_tokenizer
        words = [word for text, _ in texts for word, _ in pre.pre_tokenize_str(text)]
        whole = [word for word in words if word in set(data.tokens)] if PRE_TOKENIZERS[data.pre].whole_words else []
        words += ["".join(byte_characters()[byte] for byte in text.encode()) for text, _ in texts]  # to miss the splits
    pairs = found_merges(words, lambda left, right: ranks.get((left, right)))
    made = {left + right for left, right in pairs} | {*byte_characters(), *kept["defined"]}
    return {**kept, "merges": [f"{left} {right}" for left, right in sorted(pairs, key=ranks.__getitem__)],
            "words": sorted({word for word in whole if word not in made})}


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    lines = [f"{json.dumps(name)}: {json.dumps(reduced(folder, name), ensure_ascii=False, separators=(',', ':'))}"
             for name in NAMES]
    Path(__file__).with_name("vocabularies.json").write_text("{" + ",\n".join(lines) + "}\n", encoding="utf-8")
