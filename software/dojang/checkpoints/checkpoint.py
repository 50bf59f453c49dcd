"""A model in memory: shape, lazily decoded matrices, tokenizer data."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import numpy as np

from .errors import CheckpointError
from .matrix import Matrix
from .scale_set import ScaleSet, load_scale_set
from .shape import ModelShape
from .tensor_types import BLOCK_TYPES, FLOAT_TYPES, Kept


@dataclass(frozen=True)
class TokenizerData:
    """What a checkpoint says about its tokenizer.

    Parameters
    ----------
    model: ``"gpt2"`` (byte-level BPE), ``"llama"`` (SentencePiece), ``"glassllm"``, ``"tokenizers"`` (see
        `document`), or what an unsupported checkpoint says.
    pre: name of the pre-tokenizer, None if the checkpoint names none.
    tokens: text of each id.
    types: GGUF token type of each id (1 normal, 3 control, 4 user defined).
    merges: BPE merges, best first, each ``"left right"``.
    bos, eos: begin- and end-of-sequence ids, or None.
    add_bos: prompts start with `bos`; None if that is left to the kind of tokenizer.
    eos_ids: ids that the checkpoint says end generation (end of sequence, of turn, of message).
    chat_template: Jinja source or None.
    scores: of each id, for SentencePiece.
    add_space_prefix: texts start with a space; None if that is left to the kind of tokenizer.
    strip_after: control tokens swallow the white space that follows them.
    document: text of a ``tokenizer.json``, which `tokens` and `types` are of, for the model ``"tokenizers"``.
    """

    model: str
    pre: str | None = "default"
    tokens: Sequence[str] = ()
    types: Sequence[int] = ()
    merges: Sequence[str] = ()
    bos: int | None = None
    eos: int | None = None
    add_bos: bool | None = False
    eos_ids: frozenset[int] = frozenset()
    chat_template: str | None = None
    scores: Sequence[float] = ()
    add_space_prefix: bool | None = None
    strip_after: bool = False
    document: str | None = None


class Messages(list[str]):
    """Sentences about a model, each told once."""

    def tell(self, sentence: str) -> None:
        """Add a sentence unless it is there."""
        if sentence not in self:
            self.append(sentence)

    def tell_of(self, kinds: str, source: str) -> None:
        """Add a sentence if these kinds of tensors are stored in a block type that import converts."""
        if source in BLOCK_TYPES and BLOCK_TYPES[source].kept is not Kept.EXACT:
            how = ", products of scales rounded to FP16" if BLOCK_TYPES[source].kept is Kept.ROUNDED else ""
            self.tell(f"{kinds} converted from {source} to {BLOCK_TYPES[source]}{how}")


class Embedding:
    """Embedding table; rows are decoded when asked for, exactly, as float32.

    Parameters
    ----------
    shape: (vocab, d).
    decode: function of an integer array (or slice) to float32 rows.
    """

    def __init__(self, shape: tuple[int, int], decode: Callable):
        self.shape = shape
        self._decode = decode

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index) -> np.ndarray:
        """float32 [..., d] for a token id, an array or list of ids, or a slice of ids."""
        ids = index if isinstance(index, slice) else np.atleast_1d(np.asarray(index, np.int64))
        rows = self._decode(ids)
        if not np.isfinite(rows).all():
            raise CheckpointError("the embedding holds NaN or infinite values")
        return rows[0] if not isinstance(index, slice) and np.ndim(index) == 0 else rows


class Layer:
    """Tensors of one layer, decoded on first use."""

    def __init__(self, index: int, checkpoint: "Checkpoint"):
        self.index, self._checkpoint = index, checkpoint

    def matrix(self, name: str) -> Matrix:
        """``matrix("attn_q")``."""
        return self._checkpoint.matrix(f"blk.{self.index}.{name}.weight")

    def vector(self, name: str) -> np.ndarray:
        """float32 gain or bias: ``vector("attn_norm.weight")``, ``vector("attn_q.bias")``."""
        return self._checkpoint.vector(f"blk.{self.index}.{name}")


@dataclass(eq=False)
class Checkpoint:
    """A model.

    Parameters
    ----------
    name: for messages and JSON.
    shape: hyper-parameters.
    embedding: input embedding, exact.
    types: stored type of every tensor, by tensor name (GGUF names).
    messages: what import changed, one sentence each (e.g. matrices quantised from floats); decoding a matrix may add
        one.
    load_matrix, load_vector: decode a tensor by name.
    load_tokenizer: reads the tokenizer data.
    file_bytes: size of the file with the weights.
    positions: rows that are added to those of the embedding, by position, exact; None if the model has none.
    scale_sets: readers of the scale sets that the model's file holds, by name.
    load_floats: float32 values of a matrix as the file has them, before import rounds any; None where matrices are
        exact.
    """

    name: str
    shape: ModelShape
    embedding: Embedding
    types: dict[str, str]
    messages: "Messages"
    load_matrix: Callable[[str], Matrix] = field(repr=False)
    load_vector: Callable[[str], np.ndarray] = field(repr=False)
    load_tokenizer: Callable[[], TokenizerData] = field(repr=False)
    file_bytes: int
    positions: Embedding | None = field(default=None, repr=False)
    scale_sets: Mapping[str, Callable[[], ScaleSet]] = field(default_factory=dict, repr=False)
    load_floats: Callable[[str], np.ndarray] | None = field(default=None, repr=False)

    def __post_init__(self):
        self._matrices: dict[str, Matrix] = {}
        self._vectors: dict[str, np.ndarray] = {}

    def floats(self, name: str) -> np.ndarray:
        """Weights of the matrix ``name``, float32 [rows, cols], as exactly as the file has them."""
        if self.load_floats is not None:
            return self.load_floats(name)
        return self.load_matrix(name).dequantize()

    def matrix(self, name: str) -> Matrix:
        """The matrix of that tensor name, decoded once."""
        if name not in self._matrices:
            self._matrices[name] = self.load_matrix(name)
        return self._matrices[name]

    def vector(self, name: str) -> np.ndarray:
        """The gain or bias of that tensor name, float32, decoded once."""
        if name not in self._vectors:
            self._vectors[name] = self.load_vector(name)
        return self._vectors[name]

    @cached_property
    def layers(self) -> list[Layer]:
        return [Layer(index, self) for index in range(self.shape.layers)]

    @property
    def head(self) -> Matrix:
        """Matrix of the logits, [vocab, d]; the embedding's if tied."""
        return self.matrix(self.shape.head_name)

    @cached_property
    def tokenizer(self) -> TokenizerData:
        return self.load_tokenizer()

    def matrices(self):
        """Every matrix read for a token, in order of use: (name, `Matrix`)."""
        for layer in self.layers:
            for name in self.shape.matrices():
                yield f"blk.{layer.index}.{name}", layer.matrix(name)
        yield "head", self.head

    @cached_property
    def vector_names(self) -> frozenset[str]:
        """Tensor names of all gains and biases."""
        return frozenset(name for name, size in self.shape.tensors().items() if len(size) == 1)

    def tensor(self, name: str) -> Matrix | np.ndarray | None:
        """The matrix, gain or bias of that tensor name, decoded once; None if a pass uses no such tensor.

        That of a tied embedding is the head; its rows as an input are `embedding`.
        """
        if name in self.vector_names:
            return self.vector(name)
        match = re.fullmatch(r"blk\.(0|[1-9]\d*)\.(\w+)\.weight", name)
        of_layer = match is not None and int(match[1]) < self.shape.layers and match[2] in self.shape.matrices()
        return self.matrix(name) if of_layer or name == self.shape.head_name else None

    @cached_property
    def codes_sha256(self) -> str:
        """Of the names, sizes, codes and masks of all matrices: the same whatever their scales."""
        digest = sha256()
        for name, matrix in self.matrices():
            digest.update(f"{name} {matrix.rows} {matrix.cols}\n".encode())
            for array in (matrix.codes, matrix.mask):
                if array is not None:
                    digest.update(np.ascontiguousarray(array).view(np.uint8).data)
        return digest.hexdigest()

    def find_set(self, text: str) -> ScaleSet:
        """The set of that name in the model's file, or else the one in the file of that path.

        Raises
        ------
        CheckpointError: there is neither, or it is damaged.
        """
        if text in self.scale_sets:
            return self.scale_sets[text]()
        if not Path(text).exists():
            has = f"only {', '.join(self.scale_sets)}" if self.scale_sets else "none at all"
            raise CheckpointError(f"there is no file {text}, and {self.name} has no scale set of that name, {has}")
        return load_scale_set(Path(text))

    def with_set(self, scale_set: ScaleSet) -> "Checkpoint":
        """The model with what a scale set has; codes, and the embedding's rows, are those of this one.

        Raises
        ------
        CheckpointError: the set is of another model, or holds what is not finite.
        """
        self._check_set(scale_set)
        values = scale_set.values

        def load_matrix(name: str) -> Matrix:
            matrix = self.tensor(name)
            if not isinstance(matrix, Matrix):
                return self.load_matrix(name)
            return matrix.with_scale(values[name]) if name in values else matrix

        def load_vector(name: str) -> np.ndarray:
            return values[name] if name in values else self.load_vector(name)

        return replace(self, load_matrix=load_matrix, load_vector=load_vector, load_floats=None)

    def _check_set(self, scale_set: ScaleSet) -> None:
        other = f"scale set {scale_set.name!r} is not of {self.name}"
        for name, values in scale_set.values.items():
            tensor = self.tensor(name)
            if tensor is None:
                raise CheckpointError(f"{other}: it has {name}, which is neither matrix nor vector of that model")
            own = tensor.scale if isinstance(tensor, Matrix) else tensor
            if values.shape != own.shape or values.dtype != own.dtype:
                raise CheckpointError(f"{other}: its {name} has size {values.shape} and type {values.dtype}, expected "
                                      f"{own.shape} and {own.dtype}")
            if not np.isfinite(values).all():
                raise CheckpointError(f"scale set {scale_set.name!r}: {name} holds NaN or infinite values")
        if scale_set.codes_sha256 not in ("", self.codes_sha256):
            raise CheckpointError(f"{other}: it was made for codes of SHA-256 {scale_set.codes_sha256[:12]}…, the "
                                  f"model's are {self.codes_sha256[:12]}…")


def import_messages(types: Mapping[str, str], tied: bool, bits: int) -> Messages:
    """What import does not take over exactly: a sentence per kind of matrix that floats are of, one per block type.

    Parameters
    ----------
    types: of tensors, by name. tied: the head is the embedding. bits: that floats are quantised to.
    """
    messages, converted = Messages(), dict[str, list[str]]()
    for name, source in types.items():
        kind = "head" if name == ("token_embd.weight" if tied else "output.weight") else name.split(".")[-2]
        if kind.endswith("norm") or kind in ("token_embd", "position_embd") or name.endswith(".bias"):
            continue
        if source in FLOAT_TYPES:
            messages.tell(f"{kind} quantised from {source} to {bits} bits")
        elif kind not in converted.setdefault(source, []):
            converted[source].append(kind)
    for source, kinds in converted.items():
        messages.tell_of(", ".join(kinds), source)
    return messages
