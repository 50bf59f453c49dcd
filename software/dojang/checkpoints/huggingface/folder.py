"""A folder as published on the Hugging Face hub, seen as if it were a GGUF file."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gguf
import numpy as np

from ..errors import CheckpointError, UnsupportedError, named, shown
from ..families import FAMILIES, Family, published
from ..keyed_file import KeyedFile
from .config import Config
from .keys import check_config, gguf_keys, knows, tied
from .rope import rope_keys
from .tensors import FolderTensor, MadeTensor, read_tensors, tensor_files

__all__ = ["CONFIG", "Folder"]

CONFIG = "config.json"

DROPPED = (".rotary_emb.inv_freq", ".attn.bias", ".attn.masked_bias")
"""Ends of names of tensors that are no weights: tables of angles, and of which positions are seen."""

TEXT = {"language_model.model.": "model.", "model.language_model.": "model.", "language_model.lm_head.": "lm_head."}
"""Beginnings of names of the text model's tensors where there are other parts, and what they are without."""

FLAGS = {"attention_bias": "blk.0.attn_q.bias", "use_qkv_bias": "blk.0.attn_q.bias", "mlp_bias": "blk.0.ffn_up.bias",
         "use_post_norm": "blk.0.post_attention_norm.weight"}
"""Keys that say whether there are such tensors."""

SHORT = 8
"""Elements of a list that is shown."""


@dataclass(frozen=True)
class Value:
    """A value as GGUF would have it."""

    content: Any

    @property
    def count(self) -> int | None:
        """Elements of a list, or None."""
        return len(self.content) if isinstance(self.content, list) else None

    def value(self) -> Any:
        """Floats have float32's precision."""
        return float(np.float32(self.content)) if isinstance(self.content, float) else self.content

    def __str__(self) -> str:
        values = self.content if isinstance(self.content, list) else [self.content]
        text = ", ".join(f"{value:.7g}" if isinstance(value, float) else named(str(value)) for value in values[:SHORT])
        return text + (f", … ({len(values):,})" if len(values) > SHORT else "")


class Folder(KeyedFile):
    """A view of a folder with the fields and tensors that a GGUF file of the same model has.

    Parameters
    ----------
    path: of the folder.

    Attributes
    ----------
    messages: what of the folder is ignored, a sentence each.

    Raises
    ------
    CheckpointError: a file is missing or damaged. UnsupportedError: the model is of another kind.
    """

    order, halves = "<", True

    def __init__(self, path: Path):
        self.path, self.name = path, path.resolve().name
        config = Config(path / CONFIG)
        family = published(config.architecture)
        if family is None:
            known = sorted(name for one in FAMILIES.values() for name in one.published)
            raise UnsupportedError(f"{config.path}: architecture {shown(config.architecture)} is not supported, "
                                   f"supported are {', '.join(known)}")
        self.architecture = family.name
        self.messages = check_config(config)
        keys = gguf_keys(config)
        rope, made = rope_keys(config, keys["attention.key_length"])
        self.fields: Mapping[str, Value] = {
            "general.architecture": Value(family.name), "tokenizer.ggml.model": Value("tokenizers"),
            **{f"{family.name}.{key}": Value(value) for key, value in (keys | rope).items()}}
        self.files = tensor_files(path)
        self.size = sum(file.stat().st_size for file in self.files)
        self.tensors: Mapping[str, FolderTensor | MadeTensor] = {
            **self._weights(config, family, keys["block_count"]),
            **{name: MadeTensor(values) for name, values in made.items()}}
        for key, name in FLAGS.items():
            if key in config.values and knows(config, key) and config.flag(key) != (name in self.tensors):
                there = "there is" if name in self.tensors else "there is no"
                raise CheckpointError(f"{config.path}: {key} is {str(config.flag(key)).lower()}, but {there} tensor "
                                      f"{name}")

    def __str__(self) -> str:
        files = f" in {len(self.files)} files" if len(self.files) > 1 else ""
        return f"Hugging Face folder, {self.size:,} bytes of weights{files}, {len(self.tensors):,} tensors"

    def _weights(self, config: Config, family: Family, layers: int) -> dict[str, FolderTensor]:
        """Tensors by GGUF's names; those that have none there keep their own."""
        stored = read_tensors(self.path)
        if layers > len(stored):
            raise CheckpointError(f"{config.path}: {layers} layers but only {len(stored)} tensors")
        own = {name: arch for arch, name in gguf.MODEL_ARCH_NAMES.items()}
        names = gguf.get_tensor_name_map(own.get(family.name, gguf.MODEL_ARCH.LLAMA), layers)
        tensors: dict[str, FolderTensor] = {}
        others: Counter[str] = Counter()
        for name, tensor in stored.items():
            text = _text_name(name) if config.has_parts else name
            if text is None:
                others[name.split(".")[0 if not name.startswith("model.") else 1]] += 1
                continue
            if text.endswith(DROPPED):
                continue
            target = _special_name(text, config) or names.get_name(text, (".weight", ".bias")) or name
            if target == "output.weight" and tied(config):
                continue
            if target in tensors:
                raise CheckpointError(f"{tensor.path}: tensors {named(tensors[target].name)} and {named(name)} are "
                                      "the same one")
            part = target.split(".")[-2] if target.count(".") else ""
            tensors[target] = replace(
                tensor, transposed=part in config.published.columns_first and len(tensor.sizes) == 2,
                shift=family.gain_offset if target.endswith("norm.weight") else 0.0)
        if others:
            parts = ", ".join(f"{named(part)} ({count})" for part, count in sorted(others.items()))
            self.messages.append(f"only the text model is used, tensors of other parts are ignored: {parts}")
        if not tied(config) and "output.weight" not in tensors:
            raise CheckpointError(f"{config.path}: tie_word_embeddings is false, but there is no tensor of the head")
        return tensors


def _text_name(name: str) -> str | None:
    """A tensor's name in the text model alone; None if it is of another part."""
    for start, other in TEXT.items():
        if name.startswith(start):
            return other + name.removeprefix(start)
    return name if name.startswith("lm_head.") else None


def _special_name(name: str, config: Config) -> str | None:
    match = re.fullmatch(r"model\.layers\.(\d+)\.(\w+)\.(weight|bias)", name)
    part = config.published.names.get(match[2]) if match else None
    return f"blk.{match[1]}.{part}.{match[3]}" if match and part else None
