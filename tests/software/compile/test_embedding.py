"""When embedding rows are read out of the head's planes."""

from dataclasses import replace

import pytest
from dojang.checkpoints import ModelShape, load
from dojang.checkpoints.synthetic import write_synthetic
from dojang.compile.embedding import shares_head
from dojang_hdl.config import preset

CHIP = preset("sim-1x1")


@pytest.fixture(scope="module")
def head(tmp_path_factory):
    """A checkpoint by the type of its matrices, with a tied head or not; three groups a row."""
    def make(kind, tied=True):
        path = tmp_path_factory.mktemp("model") / "m.gguf"
        return load(str(write_synthetic(path, ModelShape(1, 96, 3, 3, 32, 32, 40, 64, tied=tied), kind)))
    return make


def test_only_exact_codes_of_eight_bits_on_one_channel(head):
    assert shares_head(head("Q8_0"), CHIP)
    assert not shares_head(head("Q8_0", tied=False), CHIP)
    assert not shares_head(head("Q4_0"), CHIP) and not shares_head(head("F16"), CHIP)
    assert not shares_head(head("Q8_0"), preset("sim-2x2"))


def test_row_blocks_are_whole_tiles(head):
    """Of 32 rows three groups are 192 words, of 64 three tiles: a guard checks a row with the tile around it."""
    assert not shares_head(head("Q8_0"), replace(CHIP, acc_rows=32))
    assert shares_head(head("Q8_0"), replace(CHIP, acc_rows=64))
