"""What all tests of the compiled model do."""

import shutil
from collections.abc import Callable

import numpy as np
import pytest
from dojang.checkpoints import Checkpoint
from dojang.fast import FastModel, library
from dojang_sim.golden.model import GoldenModel

PIECES = ((1,) * 40, (40,), (7, 26, 7), (33, 1, 6))
"""Ways of feeding forty tokens."""


def same_as_golden(checkpoint: Checkpoint, tokens=None, pieces=PIECES, context: int | None = None) -> None:
    """Fail unless every way of feeding the tokens (random ones) gives all of golden's bits, and what it has noticed."""
    if tokens is None:
        tokens = np.random.default_rng(1).integers(0, checkpoint.shape.vocab, sum(pieces[0]))
    golden = GoldenModel(checkpoint, context or len(tokens))
    expected = golden.forward(tokens, 0)
    for sizes in pieces:
        fast, found, at = FastModel(checkpoint, context or len(tokens)), [], 0
        for size in sizes:
            found.append(fast.forward(tokens[at:at + size], at))
            at += size
        assert at == len(tokens) == fast.length
        np.testing.assert_array_equal(np.concatenate(found).view(np.uint32), expected.view(np.uint32))
        assert (fast.nonfinite, fast.saturated) == (golden.nonfinite, golden.saturated)


@pytest.fixture(scope="session")
def check():
    return same_as_golden


@pytest.fixture
def change(tmp_path, monkeypatch) -> Callable[[str, str, str], None]:
    """Function that makes models be compiled with a text of a file, found once, replaced by another."""
    def change(file: str, old: str, new: str) -> None:
        shutil.copytree(library.SOURCE.parent, tmp_path / "changed")
        changed = tmp_path / "changed" / file
        assert changed.read_text().count(old) == 1
        changed.write_text(changed.read_text().replace(old, new))
        monkeypatch.setattr(library, "SOURCE", tmp_path / "changed" / "forward.cpp")
        monkeypatch.setenv("DOJANG_CACHE", str(tmp_path))

    return change
