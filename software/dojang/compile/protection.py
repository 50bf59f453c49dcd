"""Memory contents as a guarded memory holds them: docs/reference/guard.md, vectorised."""

from collections.abc import Iterable, Iterator
from zlib import crc32

import numpy as np
from dojang_hdl.config import WORD_BYTES
from dojang_hdl.guard.layout import CLUSTER, COLUMNS, HEADER, SHORT, physical_words

__all__ = ["Protection", "check_bits"]

_BATCH = 1 << 16
"""Words worked on at once: what is computed from them stays in the processor's cache."""


def _syndromes(columns: tuple[int, ...]) -> np.ndarray:
    """Check bits of every value of the bits that ``columns`` belong to."""
    table = np.zeros(1, np.uint16)
    for column in columns:
        table = np.concatenate([table, table ^ np.uint16(column)])
    return table


_TABLES = [_syndromes(COLUMNS[at:at + 16]) for at in range(0, len(COLUMNS), 16)]


def check_bits(words: np.ndarray) -> np.ndarray:
    """SECDED check bits, uint16 [...], of memory words, uint8 [..., 16]."""
    halves = np.ascontiguousarray(words).view("<u2")
    bits = np.zeros(halves.shape[:-1], np.uint16)
    for at, table in enumerate(_TABLES):
        bits ^= table[halves[..., at]]
    return bits


class Protection:
    """The layout of one guarded channel, whose words are uint8 arrays here.

    *Logical* words are those of the chip's address space, *physical* ones those of the memory, headers included.

    Parameters
    ----------
    tiles_end: first logical word behind the tiles, a multiple of ``tile``.
    end: first logical word behind the clusters, whole clusters from ``tiles_end``.
    tile: data words of a tile.

    Members
    -------
    physical_words: size of the memory up to the end of the last cluster.
    """

    def __init__(self, tiles_end: int, end: int, tile: int):
        if tiles_end < 0 or tiles_end % tile:
            raise ValueError(f"tiles_end={tiles_end}, expected a multiple of a tile of {tile} words")
        if end < tiles_end or (end - tiles_end) % CLUSTER:
            raise ValueError(f"end={end}, expected tiles_end={tiles_end} and a multiple of {CLUSTER} words")
        self.tiles_end, self.end, self.tile = tiles_end, end, tile
        self.physical_words = physical_words(end, tiles_end, tile)

    def physical(self, word):
        """Physical address of a logical one; an integer or an array of them. A block's header is before its first word.
        """
        in_tiles = np.minimum(word, self.tiles_end)
        return word + in_tiles // self.tile + (word - in_tiles) // CLUSTER + 1

    def store(self, memory: np.ndarray, contents: np.ndarray, tiles: Iterable[tuple[int, int]]) -> None:
        """Write logical contents into a physical memory, with headers.

        Parameters
        ----------
        contents: ``end`` words. Of what lies below ``tiles_end`` only tiles are stored.
        tiles: first word (of a tile) and number of words of each region of tiles.
        """
        for first, blocks in self._blocks(memory, tiles):
            count, words = blocks.shape[0], blocks.shape[1] - 1
            data = contents[first * WORD_BYTES:][:count * words * WORD_BYTES].reshape(count, words, WORD_BYTES)
            blocks[:, 0] = _headers(data, first, clusters=first >= self.tiles_end)
            blocks[:, 1:] = data

    def read(self, memory: np.ndarray, start: int, words: int) -> np.ndarray:
        """``words`` logical words from ``start`` on, as they are in a physical memory; nothing is checked."""
        return memory.reshape(-1, WORD_BYTES)[self.physical(np.arange(start, start + words))].reshape(-1)

    def wrong_blocks(self, memory: np.ndarray, tiles: Iterable[tuple[int, int]]) -> list[int]:
        """First logical word of every tile and cluster whose header is not that of its words; ``tiles`` as in `store`.

        A wrong bit that the guard would correct counts.
        """
        wrong: list[int] = []
        for first, blocks in self._blocks(memory, tiles):
            expected = _headers(blocks[:, 1:], first, clusters=first >= self.tiles_end)
            at = np.flatnonzero((blocks[:, 0] != expected).any(axis=1))
            wrong += (first + at * (blocks.shape[1] - 1)).tolist()
        return wrong

    def _blocks(self, memory: np.ndarray, tiles: Iterable[tuple[int, int]]) -> Iterator[tuple[int, np.ndarray]]:
        """(first logical word, view of the physical words [blocks, 1 + data words, 16]) of blocks of one size."""
        runs = []
        for start, words in tiles:
            rest = words % self.tile
            if rest <= SHORT:   # with what lies behind it
                words, rest = -(-words // self.tile) * self.tile, 0
            runs += [(start, words - rest, self.tile), (start + words - rest, rest, rest or self.tile)]
        runs.append((self.tiles_end, self.end - self.tiles_end, CLUSTER))
        for start, words, size in runs:
            step = -(-_BATCH // size) * size
            for first in range(start, start + words, step):
                count = min(step, start + words - first) // size
                at = (int(self.physical(first)) - 1) * WORD_BYTES
                yield first, memory[at:at + count * (size + 1) * WORD_BYTES].reshape(count, size + 1, WORD_BYTES)


def _headers(data: np.ndarray, first: int, clusters: bool) -> np.ndarray:
    """Headers, uint8 [blocks, 16], of blocks [blocks, words, 16] from logical word ``first`` on."""
    count, words, _ = data.shape
    flat, size = np.ascontiguousarray(data).reshape(-1).data, words * WORD_BYTES
    crc = np.array([crc32(flat[at:at + size]) for at in range(0, count * size, size)], "<u4")
    crc ^= np.arange(first, first + count * words, words, dtype=np.uint32)
    as_words = np.zeros((count, WORD_BYTES), np.uint8)
    as_words[:, :4] = crc.view(np.uint8).reshape(count, 4)
    fields = {"crc": crc, "crc_check": check_bits(as_words)}
    if clusters:
        checks = check_bits(data)
        fields |= {f"check_{word}": checks[:, word] for word in range(CLUSTER)}
    return _pack(fields, count)


def _pack(fields: dict[str, np.ndarray], count: int) -> np.ndarray:
    """uint8 [count, 16] with HEADER's fields; missing ones are 0."""
    halves = np.zeros((count, 2), "<u8")
    at = 0
    for name, width in HEADER:
        if name in fields:
            value, (half, shift) = fields[name].astype(np.uint64), divmod(at, 64)
            halves[:, half] |= value << np.uint64(shift)
            if shift + width > 64:
                halves[:, half + 1] |= value >> np.uint64(64 - shift)
        at += width
    return halves.view(np.uint8)
