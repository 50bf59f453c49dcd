"""Matrices and the forms of their codes."""

import numpy as np
import pytest
from dojang.checkpoints import CheckpointError, Form, Matrix
from dojang.checkpoints.importing import quantize
from dojang_hdl.isa import Code
from dojang_sim.golden.engine import PreparedMatrix


def test_bits_per_weight_counts_scales_and_padding():
    assert quantize("w", np.ones((4, 64), np.float32), "F32", 8).bits_per_weight == 8.5
    assert quantize("w", np.ones((4, 48), np.float32), "F32", 4).bits_per_weight == 4.5 * 64 / 48


@pytest.mark.parametrize("fields, expected", [
    ({"bits": 9}, "1 to 8 bits"), ({"bits": 4, "group": 96}, "groups of 32, 64, 128"),
    ({"bits": 4, "rotated": True}, "rotated groups of at least 64"), ({"bits": 1, "terms": 9}, "1 to 8 terms"),
    ({"bits": 1, "terms": 2, "row_scale": True}, "one with a window code or a scale a row"),
    ({"bits": 3, "code": Code.X2, "terms": 2}, "one with a window code or a scale a row"),
    ({"bits": 4, "zero": 512}, "zero from -512 to 511"), ({"bits": 4, "code": Code.X2}, "3 unsigned bits with X2"),
    ({"bits": 4, "code": Code.X3, "signed": True}, "4 unsigned bits with X3"),
    ({"bits": 8, "signed": True, "group": 128}, "integers of at most 64 in such groups"),
    ({"bits": 4, "zero": -300}, "integers of at most 256 in such groups"),
])
def test_forms_that_the_engine_has_not_are_refused(fields, expected):
    with pytest.raises(CheckpointError, match=f"^weights of the form Form.*, expected .*{expected}"):
        Form(**fields)


def test_the_largest_forms_are_those_of_the_engine():
    """The golden model refuses larger ones by its own rule."""
    for form in (Form(8, signed=True, group=64), Form(7, signed=True, group=128), Form(8, double=True, zero=-255)):
        values = np.full((4, 1, form.group), form.largest)
        PreparedMatrix(values)
        with pytest.raises(ValueError, match="values from"):
            PreparedMatrix(values * 2)


def test_masks_and_offsets_go_with_their_forms():
    window = Form(3, code=Code.X2, double=True, zero=-7)
    mask, scale = np.ones((4, 1, 32), bool), np.ones((4, 1), np.float16)
    codes = np.zeros((4, 1, 32), np.uint8)
    Matrix("w", 4, 32, codes, window, scale, None, "x2", mask)
    for form in (Form(3), Form(3, code=Code.X2), Form(3, code=Code.X2, double=True, zero=-6)):
        with pytest.raises(CheckpointError, match="tensor w has a mask and the form"):
            Matrix("w", 4, 32, codes, form, scale, None, "x2", mask)
    for form in (window, Form(4, row_scale=True), Form(1, terms=2)):
        with pytest.raises(CheckpointError, match="tensor w has offsets and the form"):
            Matrix("w", 4, 32, codes, form, scale, scale, "x2")
