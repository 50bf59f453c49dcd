"""Bit-plane and scale packing of docs/reference/layout.md, vectorised."""

import numpy as np
from dojang_hdl.config import WORD_BYTES
from dojang_hdl.window_code import WindowCode

__all__ = ["coded_words", "pack_coded", "pack_planes", "pack_scales", "plane_words", "round_up", "scale_words"]

_LOW_BITS = np.uint64(0x0101010101010101)
_GATHER = np.uint64(0x0102040810204080)
"""Multiplying eight 0/1 bytes by this collects them, byte 0 lowest, in the top byte."""


def round_up(value: int, step: int) -> int:
    return -(-value // step) * step


def plane_words(rows: int, groups: int, bits: int) -> int:
    """Memory words of a plane stream; ``rows`` is a multiple of 4."""
    return rows * groups * bits // 4


def scale_words(rows: int, groups: int, affine: bool) -> int:
    """Memory words of a scale stream; each group starts on a new word."""
    return groups * -(-rows // (4 if affine else 8))


def pack_planes(codes: np.ndarray, bits: int, lanes: int) -> np.ndarray:
    """Plane stream, uint8, of integer codes [rows, groups, 32] (8-bit containers); rows a multiple of 4."""
    rows, groups, _ = codes.shape
    eights = np.ascontiguousarray(codes).view(np.uint64)  # [rows, groups, 4]: eight codes, byte 0 lowest
    stream = np.empty((groups, rows // lanes, bits, lanes, 4), np.uint8)
    for plane in range(bits):
        collected = (eights >> np.uint64(plane) & _LOW_BITS) * _GATHER >> np.uint64(56)
        lane_words = collected.astype(np.uint8).reshape(rows // lanes, lanes, groups, 4)
        stream[:, :, bits - 1 - plane] = lane_words.transpose(2, 0, 1, 3)
    return stream.reshape(-1)


def pack_scales(scale: np.ndarray, offset: np.ndarray | None) -> np.ndarray:
    """Scale stream, uint8, of FP16 scales and offsets [rows, groups]."""
    rows, groups = scale.shape
    values = scale if offset is None else np.stack([scale, offset], axis=-1)
    values = values.reshape(rows, groups, -1)
    size = round_up(rows * values.shape[2] * 2, WORD_BYTES) // 2
    stream = np.zeros((groups, size), "<f2")
    stream[:, :rows * values.shape[2]] = values.transpose(1, 0, 2).reshape(groups, -1)
    return stream.reshape(-1).view(np.uint8)


def coded_words(code: WindowCode, rows: int, blocks: int, masked: bool) -> int:
    """Memory words of a coded plane stream; ``rows`` is a multiple of 4."""
    steps = rows // code.steps_rows
    return blocks * (_payload_words(code, code.lead) + _payload_words(code, steps) + (rows // 4 if masked else 0))


def _payload_words(code: WindowCode, steps: int) -> int:
    """Words of runs of ``steps`` steps: four lane words each."""
    return steps + -(-steps // 4) if code.step_bits == 5 else steps * code.step_bits // 4


def pack_coded(code: WindowCode, symbols: np.ndarray, mask: np.ndarray | None, first: int, rows: int) -> np.ndarray:
    """Coded plane stream, uint8, of ``rows`` rows from row ``first`` on.

    Parameters
    ----------
    symbols: uint8 [steps, blocks, 32] of the whole matrix; what lies outside counts as zeros.
    mask: bool [rows of the matrix, blocks, 32] or None.
    """
    start, steps = first // code.steps_rows, rows // code.steps_rows
    lead = _runs(code, _lane_words(_cut(symbols, start - code.lead, code.lead), code.step_bits))
    body = _runs(code, _lane_words(_cut(symbols, start, steps), code.step_bits))
    if mask is not None:
        body = _with_masks(code, body, _lane_words(_cut(mask, first, rows), 1)[:, :, 0])
    return np.concatenate([lead, body], axis=1).reshape(-1)


def _cut(array: np.ndarray, start: int, count: int) -> np.ndarray:
    """Entries ``start`` to ``start + count``, zeros where there are none."""
    inside = array[max(start, 0):max(start + count, 0)]
    before = max(min(-start, count), 0)
    return np.pad(inside, [(before, count - before - len(inside)), *[(0, 0)] * (array.ndim - 1)])


def _lane_words(values: np.ndarray, bits: int) -> np.ndarray:
    """uint8 [blocks, entries, bits, 4], bit 0 first, of values [entries, blocks, 32]."""
    planes = values[:, :, None].astype(np.uint8) >> np.arange(bits, dtype=np.uint8)[:, None] & np.uint8(1)
    return np.packbits(planes, axis=-1, bitorder="little").transpose(1, 0, 2, 3)


def _runs(code: WindowCode, lanes: np.ndarray) -> np.ndarray:
    """Memory words uint8 [blocks, words, 16] of lane words [blocks, steps, bits, 4]."""
    blocks, steps = lanes.shape[:2]
    if code.step_bits == 3:   # the fourth step of a run fills the words of the three before it
        runs = lanes.reshape(blocks, steps // 4, 4, 3, 4)
        lanes = np.concatenate([runs[:, :, :3], runs[:, :, 3, :, None]], axis=3)
    elif code.step_bits == 5:   # the highest bits of a run go ahead
        runs = np.pad(lanes, [(0, 0), (0, -steps % 4), (0, 0), (0, 0)]).reshape(blocks, -1, 4, 5, 4)
        lanes = np.concatenate([runs[:, :, None, :, 4], runs[:, :, :, :4]], axis=2)
    return lanes.reshape(blocks, -1, WORD_BYTES)[:, :_payload_words(code, steps)]


def _with_masks(code: WindowCode, words: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Masks, lane words [blocks, rows, 4], in front of every four rows' words (of a run's two halves, if it has them).
    """
    blocks = len(words)
    masks = masks.reshape(blocks, -1, 1, WORD_BYTES)
    if code.steps_rows == 1:
        rows = words.reshape(blocks, masks.shape[1], -1, WORD_BYTES)
        return np.concatenate([masks, rows], axis=2).reshape(blocks, -1, WORD_BYTES)
    parts = []
    for index, at in enumerate(range(0, words.shape[1], 5)):
        run = words[:, at:at + 5]
        parts += [masks[:, 2 * index], run[:, :3]]
        if run.shape[1] > 3:
            parts += [masks[:, 2 * index + 1], run[:, 3:]]
    return np.concatenate(parts, axis=1)
