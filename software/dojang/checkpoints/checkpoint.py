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
from .shape import LlamaShape
from .tensor_types import BLOCK_TYPES, FLOAT_TYPES, Kept


@dataclass(frozen=True)
class TokenizerData:
    """What a checkpoint says about its tokenizer.

    Parameters
    ----------
    model: ``"gpt2"`` (byte-level BPE), ``"llama"`` (SentencePiece), ``"glassllm"``, or what an unsupported checkpoint
        says.
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


class Messages(list[str]):
    """Sentences about a model, each told once."""

    def tell(self, sentence: str) -> None:
        """Add a sentence unless it is there."""
        if sentence not in self:
            self.append(sentence)

    def tell_of(self, kind: str, source: str) -> None:
        """Add a sentence if ``kind`` of tensors is stored in a block type that import converts."""
        if source in BLOCK_TYPES and BLOCK_TYPES[source].kept is not Kept.EXACT:
            how = ", products of scales rounded to FP16" if BLOCK_TYPES[source].kept is Kept.ROUNDED else ""
            self.tell(f"{kind} converted from {source} to {BLOCK_TYPES[source]}{how}")


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
    """One layer: float32 gains ``attn_norm``, ``ffn_norm`` and a `Matrix` per linear map, decoded on first use."""

    def __init__(self, index: int, matrix: Callable[[str], Matrix], vector: Callable[[str], np.ndarray]):
        self.index = index
        self._matrix, self._vector = matrix, vector

    @cached_property
    def attn_norm(self) -> np.ndarray:
        return self._vector(f"blk.{self.index}.attn_norm.weight")

    @cached_property
    def ffn_norm(self) -> np.ndarray:
        return self._vector(f"blk.{self.index}.ffn_norm.weight")

    @cached_property
    def attn_q(self) -> Matrix:
        return self._matrix(f"blk.{self.index}.attn_q.weight")

    @cached_property
    def attn_k(self) -> Matrix:
        return self._matrix(f"blk.{self.index}.attn_k.weight")

    @cached_property
    def attn_v(self) -> Matrix:
        return self._matrix(f"blk.{self.index}.attn_v.weight")

    @cached_property
    def attn_output(self) -> Matrix:
        return self._matrix(f"blk.{self.index}.attn_output.weight")

    @cached_property
    def ffn_gate(self) -> Matrix:
        return self._matrix(f"blk.{self.index}.ffn_gate.weight")

    @cached_property
    def ffn_up(self) -> Matrix:
        return self._matrix(f"blk.{self.index}.ffn_up.weight")

    @cached_property
    def ffn_down(self) -> Matrix:
        return self._matrix(f"blk.{self.index}.ffn_down.weight")


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
    scale_sets: readers of the scale sets that the model's file holds, by name.
    load_floats: float32 values of a matrix as the file has them, before import rounds any; None where matrices are
        exact.
    """

    name: str
    shape: LlamaShape
    embedding: Embedding
    types: dict[str, str]
    messages: "Messages"
    load_matrix: Callable[[str], Matrix] = field(repr=False)
    load_vector: Callable[[str], np.ndarray] = field(repr=False)
    load_tokenizer: Callable[[], TokenizerData] = field(repr=False)
    file_bytes: int
    scale_sets: Mapping[str, Callable[[], ScaleSet]] = field(default_factory=dict, repr=False)
    load_floats: Callable[[str], np.ndarray] | None = field(default=None, repr=False)

    def floats(self, name: str) -> np.ndarray:
        """Weights of the matrix ``name``, float32 [rows, cols], as exactly as the file has them."""
        if self.load_floats is not None:
            return self.load_floats(name)
        return self.load_matrix(name).dequantize()

    @cached_property
    def layers(self) -> list[Layer]:
        return [Layer(index, self.load_matrix, self.load_vector) for index in range(self.shape.layers)]

    @cached_property
    def output_norm(self) -> np.ndarray:
        """Gain of the final norm, float32 [d]."""
        return self.load_vector("output_norm.weight")

    @cached_property
    def head(self) -> Matrix:
        """Matrix of the logits, [vocab, d]; the embedding's if tied."""
        return self.load_matrix(self.head_name)

    @property
    def head_name(self) -> str:
        """Tensor name of the matrix of the logits."""
        return "token_embd.weight" if self.shape.tied else "output.weight"

    @cached_property
    def tokenizer(self) -> TokenizerData:
        return self.load_tokenizer()

    def matrices(self):
        """Every matrix read for a token, in order of use: (name, `Matrix`)."""
        for layer in self.layers:
            for name in self.shape.matrices():
                yield f"blk.{layer.index}.{name}", getattr(layer, name)
        yield "head", self.head

    def tensor(self, name: str) -> Matrix | np.ndarray | None:
        """The matrix or the gain of that tensor name, decoded once; None if a pass uses no such tensor.

        That of a tied embedding is the head; its rows as an input are `embedding`.
        """
        if name == self.head_name:
            return self.head
        if name == "output_norm.weight":
            return self.output_norm
        match = re.fullmatch(r"blk\.(0|[1-9]\d*)\.(\w+)\.weight", name)
        kinds = (*self.shape.matrices(), "attn_norm", "ffn_norm")
        if match is None or int(match[1]) >= self.shape.layers or match[2] not in kinds:
            return None
        return getattr(self.layers[int(match[1])], match[2])

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
        """The model with scales and gains of a scale set; codes, and the embedding's rows, are those of this one.

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
                raise CheckpointError(f"{other}: it has {name}, which is neither matrix nor gain of that model")
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
    """One sentence per kind of matrix and stored type of which import takes over no exact weights.

    Parameters
    ----------
    types: of tensors, by name. tied: the head is the embedding. bits: that floats are quantised to.
    """
    messages = Messages()
    for name, source in types.items():
        kind = "head" if name == ("token_embd.weight" if tied else "output.weight") else name.split(".")[-2]
        if kind.endswith("norm") or kind == "token_embd":
            continue
        if source in FLOAT_TYPES:
            messages.tell(f"{kind} quantised from {source} to {bits} bits")
        else:
            messages.tell_of(kind, source)
    return messages
