"""The small Llama decoder inside the glassllm package (its weights are stored (in, out), FP16)."""

import json
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from .checkpoint import Checkpoint, Embedding, TokenizerData, import_messages
from .errors import CheckpointError
from .importing import quantize
from .rules import LayerKind, Norm, Rotation
from .shape import ModelShape

NAMES = {"attn.W_Q": "attn_q", "attn.W_K": "attn_k", "attn.W_V": "attn_v", "attn.W_O": "attn_output",
         "ffn.W1": "ffn_gate", "ffn.W3": "ffn_up", "ffn.W2": "ffn_down", "norm1.gamma": "attn_norm",
         "norm2.gamma": "ffn_norm"}
SPECIALS = ("<pad>", "<unk>", "<bos>", "<eos>")


def load_glassllm(folder: Path, language: str, weights_bits: int) -> Checkpoint:
    """Read ``<language>.npz`` and ``<language>.tokenizer.json``; its rotary pairs are adjacent, as in GGUF."""
    try:
        with np.load(folder / f"{language}.npz") as data:
            config = json.loads(str(data["__config__"]))
            tensors = {_gguf_name(name): data[name] for name in data.files if name != "__config__"}
        shape = ModelShape(
            layers=config["n_layers"], d=config["d_model"], heads=config["n_heads"], kv_heads=config["n_kv_heads"],
            head_dim=config["d_model"] // config["n_heads"], ffn=tensors["blk.0.ffn_gate.weight"].shape[1],
            vocab=config["vocab_size"], context=config["max_len"], norm=Norm(config["eps"]),
            kinds=(LayerKind(Rotation(config["rope_base"])),), tied=True)
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise CheckpointError(f"{folder / language}.npz is missing or damaged: {error}") from None

    def load_floats(name):
        weights = tensors[name].astype(np.float32)
        return weights if name == "token_embd.weight" else weights.T

    types = dict.fromkeys(tensors, "F16")
    messages = import_messages(types, True, weights_bits)

    def load_matrix(name):
        return quantize(name, load_floats(name), "F16", weights_bits, messages.tell)

    embedding = tensors["token_embd.weight"]
    return Checkpoint("glassllm", shape, Embedding(embedding.shape, lambda ids: embedding[ids].astype(np.float32)),
                      types, messages, load_matrix,
                      lambda name: tensors[name].astype(np.float32),
                      lambda: _tokenizer(folder / f"{language}.tokenizer.json"),
                      (folder / f"{language}.npz").stat().st_size, load_floats=load_floats)


def _gguf_name(name: str) -> str:
    if name == "E":
        return "token_embd.weight"
    if name == "norm_f.gamma":
        return "output_norm.weight"
    _, layer, rest = name.split(".", 2)
    return f"blk.{layer}.{NAMES[rest]}.weight"


def _tokenizer(path: Path) -> TokenizerData:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        merges = [tuple(pair) for pair in data["merges"]]
        tokens = [*SPECIALS, *data["alphabet"], *(left + right for left, right in merges)]
    except (OSError, ValueError, KeyError) as error:
        raise CheckpointError(f"{path} is missing or damaged: {error}") from None
    types = [1 if token == "<unk>" else 3 for token in SPECIALS] + [1] * (len(tokens) - len(SPECIALS))
    bos, eos = SPECIALS.index("<bos>"), SPECIALS.index("<eos>")
    return TokenizerData("glassllm", "glassllm", tokens, types, [f"{left} {right}" for left, right in merges], bos, eos,
                         eos_ids=frozenset({eos}))
