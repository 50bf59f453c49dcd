"""A linear map spread over the nodes: which rows where, in which streams, and its GEMVs."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from dojang_hdl.config import BLOCK, WORD_BYTES, ChipConfig
from dojang_hdl.isa import Op, ScaleMode, Stream

from ..checkpoints import Matrix
from .layout import coded_words, pack_coded, pack_planes, pack_scales, plane_words, round_up, scale_words
from .program import ProgramBuilder
from .regions import MemoryMap, Region, of_set

__all__ = ["Linear", "compatible", "split_rows"]


def split_rows(rows: int, nodes: int, multiple: int = 4) -> int:
    """Rows of every node: a multiple of ``multiple``, itself one of 4."""
    return round_up(-(-rows // nodes), multiple)


def compatible(*matrices) -> bool:
    """Whether matrices can be rows of one GEMV. Those of a window code cannot: each has sequences of its own."""
    return len({(m.groups, m.form, m.offset is None) for m in matrices}) == 1 and not matrices[0].form.window


def _bias_of(matrix: Matrix) -> str:
    return f"{matrix.name.removesuffix('.weight')}.bias"


@dataclass(frozen=True)
class _Block:
    first: int
    rows: int


class Linear:
    """One or more matrices of the same input and type, computed by one series of GEMVs.

    Every part is a stack of matrices whose rows are spread over the nodes in order; a node's rows are its slice of
    each part, one after the other.

    Parameters
    ----------
    name: of its memory regions.
    parts: lists of compatible matrices.
    multiple: of the rows of a node, per part.
    biases: kinds of matrices (``attn_q``) whose products a bias is added to.

    Members
    -------
    biases: tensor names of those that there are here.
    slices: rows of a node, per part. rows: their sum. first: a node's first output element of each part.
    """

    def __init__(self, name: str, config: ChipConfig, *parts: list[Matrix], multiple: int = 4,
                 biases: Collection[str] = ()):
        self.name, self.config, self.parts = name, config, parts
        self.matrix = parts[0][0]
        self.slices = [split_rows(sum(m.rows for m in part), config.nodes, multiple) for part in parts]
        self.rows = sum(self.slices)
        self.first = [sum(self.slices[:i]) for i in range(len(parts))]
        self.biases = [_bias_of(m) for part in parts for m in part if m.name.split(".")[-2] in biases]
        self.code = self.matrix.form.window
        self.scale_mode = (ScaleMode.AFFINE if self.matrix.offset is not None else
                           ScaleMode.ROW if self.matrix.form.row_scale else ScaleMode.SCALE)
        self.blocks = [_Block(first, min(config.acc_rows, self.rows - first))
                       for first in range(0, self.rows, config.acc_rows)]
        self._regions: list[list[tuple[Region, list[Region]]]] = []

    def allocate(self, memory: MemoryMap, sets: int) -> None:
        """Reserve the streams of every node in the channel of its row; scale streams for each of ``sets`` scale sets.
        """
        for node in range(self.config.nodes):
            def tiles(name: str, words: int, node=node):
                return memory.allocate_tiles(f"{self.name}.node{node}.{name}", node // self.config.width, words)

            self._regions.append([
                (tiles(f"planes{i}", self._plane_words(block.rows)),
                 [tiles(f"scales{i}.set{number}" if number else f"scales{i}", self._scale_words(block.rows))
                  for number in range(sets)])
                for i, block in enumerate(self.blocks)])

    def _plane_words(self, rows: int) -> int:
        if self.code is not None:
            return coded_words(self.code, rows, self.matrix.blocks, self.matrix.mask is not None)
        return plane_words(rows, self.matrix.blocks, self.matrix.bits)

    def _scale_words(self, rows: int) -> int:
        if self.scale_mode == ScaleMode.ROW:
            return scale_words(rows, 1, False)
        return scale_words(rows, self.matrix.scale.shape[1], self.scale_mode == ScaleMode.AFFINE)

    def plane_blocks(self) -> tuple[int, int]:
        """First word of the first row block's planes, and words from one block's to the next; rows must fill blocks."""
        starts = [planes.start for regions in self._regions for planes, _ in regions]
        steps = {after - before for before, after in pairwise(starts)}
        if self.rows % self.config.acc_rows or len(steps) > 1:
            raise ValueError(f"{self.name}: row blocks are not equally far apart")
        return starts[0], steps.pop() if steps else 0

    def contents(self, sets: Sequence[Mapping[str, np.ndarray]]):
        """(region, bytes) of every stream. ``sets``: scales by tensor name that each set has in place of the own ones.
        """
        codes = self.matrix.codes if self.code is not None else self._by_node(lambda m: m.codes)
        scale = [self._by_node(lambda m, values=values: values.get(m.name, m.scale)).reshape(
            self.config.nodes, self.rows, -1) for values in sets]
        offset = self._by_node(lambda m: m.offset) if self.scale_mode == ScaleMode.AFFINE else None
        for node, regions in enumerate(self._regions):
            for block, (planes, scales) in zip(self.blocks, regions, strict=True):
                rows = slice(block.first, block.first + block.rows)
                if self.code is not None:
                    yield planes, pack_coded(self.code, codes, self.matrix.mask, node * self.rows + block.first,
                                             block.rows)
                else:
                    yield planes, pack_planes(codes[node, rows], self.matrix.bits, self.config.lanes)
                for region, values in zip(scales, scale, strict=True):
                    yield region, pack_scales(values[node, rows], None if offset is None else offset[node, rows])

    def bias(self, vector: Callable[[str], np.ndarray]) -> np.ndarray:
        """float32 [node, row], zeros where there is none; ``vector``: values by tensor name."""
        def of(matrix: Matrix) -> np.ndarray:
            name = _bias_of(matrix)
            return vector(name) if name in self.biases else np.zeros(matrix.rows, np.float32)

        return self._by_node(of)

    def _by_node(self, values: Callable[[Matrix], Any]) -> np.ndarray:
        """``values`` of the matrices, [row, ...], as [node, row, ...], zeros where there is no row."""
        pieces = []
        for part, rows in zip(self.parts, self.slices, strict=True):
            stacked = np.concatenate([values(m) for m in part]) if len(part) > 1 else values(part[0])
            missing = rows * self.config.nodes - len(stacked)
            padding = [(0, missing)] + [(0, 0)] * (stacked.ndim - 1)
            stacked = np.pad(stacked, padding) if missing else stacked
            pieces.append(stacked.reshape(self.config.nodes, rows, *stacked.shape[1:]))
        return np.concatenate(pieces, axis=1) if len(pieces) > 1 else pieces[0]

    def emit_block(self, builder: ProgramBuilder, node: int, index: int, out: int, **gemv: int) -> None:
        """Streams and GEMV of row block ``index``, results at SRAM address ``out``."""
        channel = node // self.config.width
        block = self.blocks[index]
        planes, scales = self._regions[node][index]
        builder.stream(Stream.PLANES, planes.words, addr=planes.start, channel=channel)
        builder.stream(Stream.SCALES, scales[0].words, addr=scales[0].start, channel=channel, **of_set(scales))
        builder.consume(Op.GEMV, block.rows, d=out, groups=self.matrix.groups, scale_mode=self.scale_mode,
                        **self._fields, **gemv)

    @property
    def _fields(self) -> dict[str, int]:
        """What a GEMV says of the weights."""
        form = self.matrix.form
        fields = {"bits": form.bits, "signed": form.signed, "code": form.code, "rotated": form.rotated,
                  "blocks": (form.group // BLOCK).bit_length() - 1, "terms": form.terms - 1,
                  "double": form.double, "zero": form.zero}
        if self.matrix.mask is not None:   # the decoder makes two's complement of 2Q - Qmax
            fields |= {"masked": 1, "bits": form.bits + 1, "signed": 1, "double": 0, "zero": 0}
        return fields

    def emit(self, builder: ProgramBuilder, node: int, out: int, **gemv: int) -> None:
        """All row blocks, results one after the other from SRAM address ``out`` on.

        Parameters
        ----------
        gemv: ``a``, ``contexts`` (less one), ``act_stride``, ``out_stride`` of the GEMVs.
        """
        for index, block in enumerate(self.blocks):
            self.emit_block(builder, node, index, out + block.first // 4, **gemv)

    @property
    def stream_bytes(self) -> int:
        """Bytes streamed per pass by all nodes, padding rows included."""
        words = (planes.words + scales[0].words for regions in self._regions for planes, scales in regions)
        return sum(words) * WORD_BYTES
