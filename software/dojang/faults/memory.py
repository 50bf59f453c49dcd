"""The memory of the campaign: a little of everything that can be guarded."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from dojang_hdl.config import WORD_BYTES
from dojang_hdl.guard.layout import CLUSTER, REGISTER_WINDOW, Register
from dojang_hdl.guard.registers import Control
from dojang_hdl.lpddr4.timing import BURST_BYTES
from dojang_sim.lpddr4.traffic import GuardedPhases, Poke, Prepared

from ..compile.protection import Protection

__all__ = ["MEMORY", "GuardedImage"]


@dataclass(frozen=True)
class GuardedImage:
    """Random contents of a guarded channel, and the traffic on them.

    Parameters
    ----------
    tile: words of a tile.
    tiles: first word and words of the regions that hold tiles.
    tiles_end, end: as in `Protection`.
    patrol: cycles between two clusters of the patrol.
    """

    tile: int = 128
    tiles: tuple[tuple[int, int], ...] = ((0, 600), (768, 256))
    tiles_end: int = 1024
    end: int = 3072
    patrol: int = 48

    @property
    def protection(self) -> Protection:
        return Protection(self.tiles_end, self.end, self.tile)

    @property
    def pattern(self) -> GuardedPhases:
        return GuardedPhases(self.tile, self.tiles, (self.tiles_end, self.end - self.tiles_end))

    @property
    def round(self) -> int:
        """Cycles in which an idle channel's patrol has certainly read all clusters."""
        return (self.end - self.tiles_end) // CLUSTER * (self.patrol + 100)

    @property
    def control(self) -> Poke:
        """What the host writes first."""
        value = Control.const({"tiles_end": self.tiles_end, "end": self.end, "patrol": self.patrol})
        return Poke(0, REGISTER_WINDOW | Register.CONTROL, value.as_bits())

    def prepare(self, folder: Path, seed: int, flips: Iterable[tuple[int, int]] = (),
                copies: Iterable[tuple[int, int, int]] = ()) -> Prepared:
        """Files in ``folder``. What is wrong from the start: ``flips``, words of the memory and bits of them;
        ``copies``, words of the memory, those that are in their place, and how many.
        """
        prepared = Prepared(folder / "image", folder / "contents")
        contents = np.random.default_rng(seed).integers(0, 256, self.end * WORD_BYTES, np.uint8)
        image = np.zeros(-(-self.protection.physical_words * WORD_BYTES // BURST_BYTES) * BURST_BYTES, np.uint8)
        self.protection.store(image, contents, self.tiles)
        for word, bit in flips:
            image[word * WORD_BYTES + bit // 8] ^= 1 << bit % 8
        for word, other, words in copies:
            there, here = word * WORD_BYTES, other * WORD_BYTES
            image[there:there + words * WORD_BYTES] = image[here:here + words * WORD_BYTES]
        contents.tofile(prepared.contents)
        image.tofile(prepared.image)
        return prepared

    def is_right(self, prepared: Prepared, *, exactly: bool = True) -> bool:
        """Whether the clusters of the memory are what they should be; if not ``exactly``, but for a bit in a word."""
        image, contents = (np.fromfile(path, np.uint8) for path in (prepared.image, prepared.contents))
        if exactly and self.protection.wrong_blocks(image, self.tiles):
            return False
        held = self.protection.read(image, self.tiles_end, self.end - self.tiles_end)
        wrong = np.unpackbits(held ^ contents[self.tiles_end * WORD_BYTES:]).reshape(-1, 8 * WORD_BYTES).sum(axis=1)
        return int(wrong.max()) <= (0 if exactly else 1)


MEMORY = GuardedImage()
