"""Golden model of the window codes: symbols to integers, and their place in a plane stream. numpy only.

docs/reference/numerics.md has the codes, docs/reference/layout.md the order of the words. The caller brings the code.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from dojang_hdl.window_code import WindowCode

__all__ = ["decode", "pack_payload", "payload_words", "unpack_payload"]

_ROWS = 4                      # of a mask word, and what the rows of a product are a multiple of
_WORDS = {                     # 128-bit words of a run, by bits of a symbol: (step of the run, bit of its symbol)
    2: (((0, 0), (0, 1), (1, 0), (1, 1)),),
    3: (((0, 0), (0, 1), (0, 2), (3, 0)), ((1, 0), (1, 1), (1, 2), (3, 1)), ((2, 0), (2, 1), (2, 2), (3, 2))),
    4: (((0, 0), (0, 1), (0, 2), (0, 3)),),
    5: (((0, 4), (1, 4), (2, 4), (3, 4)), *(tuple((step, bit) for bit in range(4)) for step in range(4))),
}
_RUN = {bits: 1 + max(step for word in words for step, _ in word) for bits, words in _WORDS.items()}


@cache
def _values(code: WindowCode) -> np.ndarray:
    """Q of every weight of a step by the window, int16 [weights, 2^window]."""
    window = np.arange(1 << code.window)
    return np.stack([
        sum(a * (np.bitwise_count(window & sum(1 << tap for tap in taps)) & 1).astype(np.int16) for a, taps in output)
        for output in code.outputs])


def decode(code: WindowCode, symbols) -> np.ndarray:
    """Q int16 [steps * weights of a step, ...] of symbols [steps, ...]; the window before the first one is 0."""
    symbols = np.asarray(symbols)
    if symbols.size and symbols.max() >> code.step_bits:
        raise ValueError(f"a symbol of {symbols.max()}, expected {code.step_bits} bits ({code.name})")
    window = symbols.astype(np.uint16)
    for age in range(1, code.warm_up + 1):
        window[age:] |= symbols[:-age].astype(np.uint16) << np.uint16(age * code.step_bits)
    window &= np.uint16((1 << code.window) - 1)
    values = np.stack([table[window] for table in _values(code)], axis=1)
    return values.reshape(-1, *symbols.shape[1:])


@cache
def _places(code: WindowCode, masked: bool, rows: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Where a block has its 32-bit words: [steps, bits of a symbol] of the payload, [rows] of the masks; their number.

    The warm-up part's steps come first.
    """
    if rows % _ROWS or rows <= 0:
        raise ValueError(f"{rows} rows, expected a positive multiple of {_ROWS}")
    steps = rows // code.steps_rows
    payload, mask = np.zeros((code.lead + steps, code.step_bits), np.intp), np.zeros(rows, np.intp)
    at = row = 0
    for begin, end in ((0, code.lead), (code.lead, code.lead + steps)):
        for run in range(begin, end, _RUN[code.step_bits]):
            for word in _WORDS[code.step_bits]:
                first = run + word[0][0]
                if first >= end:
                    continue
                if masked and first >= code.lead and (first - code.lead) * code.steps_rows == row:
                    mask[row:row + _ROWS] = at + np.arange(_ROWS)
                    at, row = at + 4, row + _ROWS
                for quarter, (step, bit) in enumerate(word):
                    if run + step < end:
                        payload[run + step, bit] = at + quarter
                at += 4
    return payload, mask, at


def payload_words(code: WindowCode, rows: int, masked: bool) -> int:
    """128-bit words of one block of ``rows`` rows, its warm-up part included."""
    return _places(code, masked, rows)[2] // 4


def _to_words(bits: np.ndarray) -> np.ndarray:
    """[..., 32] bits as [...] 32-bit words."""
    return np.packbits(np.ascontiguousarray(bits), axis=-1, bitorder="little").view("<u4")[..., 0]


def _to_bits(words: np.ndarray) -> np.ndarray:
    return np.unpackbits(np.ascontiguousarray(words)[..., None].view(np.uint8), axis=-1, bitorder="little")


def pack_payload(code: WindowCode, symbols, mask, first_row: int, rows: int) -> np.ndarray:
    """The plane stream, uint8, of one block of columns, or of several one after the other.

    ``symbols``: of the whole matrix, [steps, 32] or [steps, blocks, 32]. ``mask``: [rows of the matrix, ...] likewise,
    true where a weight is kept; or None: not masked. The product has ``rows`` rows from ``first_row`` on.
    """
    symbols = np.asarray(symbols, np.uint8)
    symbols = symbols.reshape(len(symbols), -1, 32)
    if first_row % _ROWS or first_row + rows > len(symbols) * code.steps_rows:
        raise ValueError(f"rows {first_row} to {first_row + rows}, expected multiples of {_ROWS} within "
                         f"{len(symbols) * code.steps_rows} rows")
    payload_at, mask_at, length = _places(code, mask is not None, rows)
    first = first_row // code.steps_rows - code.lead
    part = symbols[max(first, 0):first + len(payload_at)]
    part = np.concatenate([np.zeros((max(-first, 0), *symbols.shape[1:]), np.uint8), part])
    words = np.zeros((symbols.shape[1], length), "<u4")
    bits = part.transpose(1, 0, 2)[:, :, None] >> np.arange(code.step_bits, dtype=np.uint8)[:, None] & np.uint8(1)
    words[:, payload_at] = _to_words(bits)
    if mask is not None:
        kept = np.asarray(mask, bool).reshape(len(mask), -1, 32)[first_row:first_row + rows]
        words[:, mask_at] = _to_words(kept.transpose(1, 0, 2))
    return words.reshape(-1).view(np.uint8)


def unpack_payload(stream, code: WindowCode, masked: bool, rows: int, blocks: int):
    """(symbols, mask) of a plane stream (uint8) of ``rows`` rows.

    ``symbols``: uint8 [code.lead + steps, blocks, 32], the warm-up part first. ``mask``: bool [rows, blocks, 32], or
    None.
    """
    payload_at, mask_at, length = _places(code, masked, rows)
    stream = np.ascontiguousarray(stream, np.uint8)
    if len(stream) != blocks * length * 4:
        raise ValueError(f"a stream of {len(stream)} bytes, expected {blocks * length * 4}")
    words = stream.view("<u4").reshape(blocks, length)
    bits = _to_bits(words[:, payload_at]) << np.arange(code.step_bits, dtype=np.uint8)[:, None]
    symbols = np.bitwise_or.reduce(bits, axis=2).transpose(1, 0, 2)
    return symbols, _to_bits(words[:, mask_at]).transpose(1, 0, 2).astype(bool) if masked else None
