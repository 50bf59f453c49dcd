"""One matrix through every method: against textbook arithmetic, least squares, and the definition of a weight."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from dojang.checkpoints import CheckpointError, load
from dojang.compress import CompressError, MatrixRecipe, dequantize, gptq, quantize_matrix, refit
from dojang.compress.quantisers import quantiser
from dojang.compress.rotation import flip_columns, hadamard, signs
from dojang_hdl.isa import Code
from dojang_hdl.window_code import CODES
from dojang_sim.benches.mutation import mutate
from dojang_sim.golden import window as golden

RECIPES = [
    *(MatrixRecipe(bits, group, method) for bits, group, method in (
        (1, "row", "rtn"), (2, 32, "rtn"), (3, "row", "rtn"), (4, 64, "rtn"), (8, 128, "rtn"),
        (1, 128, "gptq"), (2, "row", "gptq"), (3, "row", "gptq"), (3, 32, "gptq"), (4, 128, "gptq"), (5, 64, "gptq"),
        (8, "row", "gptq"), (1, "row", "bcq"), (2, 64, "bcq"), (3, 32, "bcq"), (4, "row", "bcq"))),
    *(MatrixRecipe(code, group, "trellis") for code, group in (
        (Code.X2, "row"), (Code.X2_5, "row"), (Code.X3, 128), (Code.X4, 32), (Code.X2_5, 64))),
    MatrixRecipe(4, 64, "rtn", 0.5, "magnitude"), MatrixRecipe(2, "row", "gptq", 0.75, "wanda"),
    MatrixRecipe(4, 32, "gptq", 0.3, "sparsegpt"), MatrixRecipe(Code.X2, "row", "trellis", 0.5, "sparsegpt"),
    MatrixRecipe(Code.X2_5, "row", "trellis", 0.75, "wanda"), MatrixRecipe(Code.X3, 64, "trellis", 0.5, "magnitude"),
]
every = pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: "-".join(filter(None, (
    getattr(recipe.bits, "name", str(recipe.bits)), str(recipe.group), recipe.method, recipe.prune))))


def weights_and_inputs(rows=30, cols=200, seed=1):
    """Correlated inputs of different sizes, as a model's are."""
    rng = np.random.default_rng(seed)
    mixing = rng.standard_normal((cols, cols)) * np.exp(rng.uniform(-2, 1, cols))
    inputs = (rng.standard_normal((3 * cols, cols // 2)) @ mixing[:cols // 2] + rng.standard_normal((3 * cols, cols)))
    return rng.standard_normal((rows, cols)).astype(np.float32) * 0.05, inputs.astype(np.float32)


def hessian_of(inputs):
    return inputs.T @ inputs / len(inputs)


def defined(quantized):
    """The weights by the words of the numerics page, row by row."""
    recipe, cols = quantized.recipe, quantized.cols
    codes = quantized.codes
    if recipe.code in CODES:
        codes = golden.decode(CODES[recipe.code], codes)[:quantized.rows]
    weights = np.zeros((quantized.rows, cols))
    for row in range(quantized.rows):
        for column in range(cols):
            d = quantized.scale[row] if recipe.group == "row" else quantized.scale[row, column // int(recipe.group)]
            q = int(codes[row, column])
            if recipe.method == "bcq":
                value = sum(float(alpha) * (1 if q >> plane & 1 else -1) for plane, alpha in enumerate(d))
            else:
                value = float(d) * ((q << quantized.double) + quantized.zero)
            weights[row, column] = value if quantized.mask is None or quantized.mask[row, column] else 0
    return weights


@every
def test_what_comes_out(recipe):
    weights, inputs = weights_and_inputs()
    hessian = hessian_of(inputs)
    quantized = quantize_matrix(weights, recipe, hessian)
    groups = () if recipe.group == "row" else (-(-200 // recipe.group),)
    assert quantized.scale.dtype == np.float16 and np.isfinite(quantized.scale).all()
    assert quantized.scale.shape == (30, *groups, *((recipe.bits,) if recipe.method == "bcq" else ()))
    assert quantized.codes.dtype == (np.int8 if quantized.signed else np.uint8)
    assert quantized.codes.shape == ((15 if recipe.code == Code.X2_5 else 30), 200)
    if recipe.code == Code.PLAIN:
        low = -(1 << recipe.bits - 1) if quantized.signed else 0
        assert low <= quantized.codes.min() and quantized.codes.max() < low + (1 << recipe.bits)
    found = dequantize(quantized)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, defined(quantized), rtol=1e-5, atol=1e-7)
    error = (weights - found).astype(np.float64)
    assert quantized.mse == pytest.approx(np.square(error).sum() / np.square(weights).sum(), rel=1e-3)
    outputs = np.square(inputs @ error.T).sum() / np.square(inputs @ weights.T).sum()
    assert quantized.error == pytest.approx(outputs, rel=1e-2)
    again = quantize_matrix(weights, recipe, hessian)
    np.testing.assert_array_equal(again.codes, quantized.codes)
    np.testing.assert_array_equal(again.scale, quantized.scale)


@every
def test_feedback_pays(recipe):
    """At the same bits and groups the error of the outputs is far smaller than without a Hessian."""
    if recipe.method == "rtn":
        recipe = replace(recipe, method="gptq")
    if recipe.prune:
        recipe = replace(recipe, sparsity=0.0, prune=None)
    weights, inputs = weights_and_inputs()
    hessian = hessian_of(inputs)
    blind = quantize_matrix(weights, replace(recipe, method="rtn") if recipe.method == "gptq" else recipe)
    error = weights - dequantize(blind)
    error = np.sum(error @ hessian * error) / np.sum(weights @ hessian * weights)
    assert quantize_matrix(weights, recipe, hessian).error < 0.7 * error


def textbook(weights, recipe, hessian):
    """Codes of GPTQ as it is first explained, float64: spread an error, eliminate the column from the inverse."""
    damped = hessian.astype(np.float64) + 0.01 * np.median(np.diag(hessian)) * np.eye(len(hessian))
    inverse, rest = np.linalg.inv(damped), weights.astype(np.float64)
    width = weights.shape[1] if recipe.group == "row" else recipe.group
    tool, codes = quantiser(recipe), np.zeros(weights.shape, np.int64)
    scales = [tool.scale(np.ascontiguousarray(weights.T[at:at + width]), None, True)
              for at in range(0, weights.shape[1], width)]
    for column in np.argsort(-np.diag(damped), kind="stable"):
        scale = scales[column // width]
        code, levels = tool.codes(rest.T[column:column + 1].astype(np.float32), scale, None)
        codes[:, column] = code[0]
        error = (rest[:, column] - levels[0, 0] * scale[:, 0]) / inverse[column, column]
        rest -= error[:, None] * inverse[column]
        inverse -= np.outer(inverse[:, column], inverse[column]) / inverse[column, column]
        inverse[column] = inverse[:, column] = 0
        inverse[column, column] = 1
    return codes


@pytest.mark.parametrize("recipe", [
    MatrixRecipe(3, "row"), MatrixRecipe(4, 64), MatrixRecipe(Code.X3, "row", "trellis"),
    MatrixRecipe(Code.X2, 128, "trellis")], ids=["3", "4", "X3", "X2"])
def test_codes_are_those_of_the_textbook(recipe):
    check_textbook(gptq, recipe)


def check_textbook(module, recipe):
    weights, inputs = weights_and_inputs(rows=24, cols=300, seed=3)  # three blocks of the sweep
    hessian = hessian_of(inputs)
    found, expected = module.quantize_matrix(weights, recipe, hessian).codes, textbook(weights, recipe, hessian)
    # A rounding on the edge may go either way in float32, and what follows goes with it.
    order = np.argsort(-np.diag(hessian), kind="stable")
    assert (found[:, order[:140]] == expected[:, order[:140]]).mean() > 0.995
    assert (found == expected).mean() > 0.9


@pytest.mark.parametrize("terms, width", [(1, 40), (1, 16), (3, 40), (2, 16)])
def test_refit_is_least_squares(terms, width):
    rng = np.random.default_rng(5)
    weights = rng.standard_normal((6, 40)).astype(np.float32)
    levels = rng.integers(-4, 5, (terms, 6, 40)).astype(np.float32)
    root = rng.standard_normal((60, 40)).astype(np.float32)
    groups = -(-40 // width)
    found = refit.refit(weights, levels, root.T @ root, np.zeros((6, groups, terms)), width)
    for row in range(6):
        basis = np.zeros((40, groups, terms))
        for group in range(groups):
            basis[group * width:(group + 1) * width, group] = levels[:, row, group * width:(group + 1) * width].T
        best = np.linalg.lstsq(root @ basis.reshape(40, -1), root @ weights[row], rcond=None)[0]
        np.testing.assert_allclose(found[row].ravel(), best, rtol=1e-3, atol=1e-4)


def test_refit_of_many_rows_is_that_of_each(monkeypatch):
    rng = np.random.default_rng(6)
    weights, scale = rng.standard_normal((7, 40)).astype(np.float32), np.zeros((7, 3, 1))
    levels, root = rng.integers(-4, 5, (1, 7, 40)).astype(np.float32), rng.standard_normal((60, 40)).astype(np.float32)
    expected = refit.refit(weights, levels, root.T @ root, scale, 16)
    monkeypatch.setattr(refit, "LARGEST", 3 * 9)
    np.testing.assert_allclose(refit.refit(weights, levels, root.T @ root, scale, 16), expected, rtol=1e-4)


def test_refit_keeps_what_it_cannot_better():
    levels, scale = np.zeros((1, 2, 8), np.float32), np.full((2, 1, 1), 0.25)
    found = refit.refit(np.ones((2, 8), np.float32), levels, np.eye(8, dtype=np.float32), scale, 8)
    np.testing.assert_array_equal(found, scale)


@pytest.fixture(scope="module")
def real():
    try:
        return load("smollm2").layers[10].matrix("attn_q").dequantize()
    except CheckpointError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("code, raw, rotated", [(Code.X2, (0.070, 0.081), (0.067, 0.076)),
                                                (Code.X3, (0.019, 0.023), (0.018, 0.021))], ids=["X2", "X3"])
def test_error_of_a_real_matrix(real, code, raw, rotated):
    """SmolLM2: plain error with a row's scale and without feedback, as measured when the codes were chosen."""
    turned = hadamard(flip_columns(real, signs(real.shape[1], 1)))
    for matrix, (low, high) in ((real, raw), (turned, rotated)):
        assert low < quantize_matrix(matrix, MatrixRecipe(code, "row", "trellis")).mse < high


@pytest.mark.parametrize("prune", ["magnitude", "wanda", "sparsegpt"])
@pytest.mark.parametrize("bits, method", [(4, "gptq"), (Code.X2, "trellis")], ids=["4", "X2"])
@pytest.mark.parametrize("sparsity", [0.3, 0.5, 0.75])
def test_pruned_share_and_zeros(prune, bits, method, sparsity):
    weights, inputs = weights_and_inputs()
    quantized = quantize_matrix(weights, MatrixRecipe(bits, "row", method, sparsity, prune), hessian_of(inputs))
    assert quantized.mask is not None and quantized.mask.dtype == bool
    assert 1 - quantized.mask.mean() == pytest.approx(sparsity, abs=0.001)
    assert (dequantize(quantized)[~quantized.mask] == 0).all()
    if method == "gptq":
        assert (quantized.codes[~quantized.mask] == 0).all()


def test_what_is_pruned():
    weights, inputs = weights_and_inputs()
    hessian = hessian_of(inputs)
    masks, errors = {}, {}
    for prune in ("magnitude", "wanda", "sparsegpt"):
        quantized = quantize_matrix(weights, MatrixRecipe(8, "row", "gptq", 0.5, prune), hessian)
        masks[prune], errors[prune] = quantized.mask, quantized.error
    size = np.abs(weights)
    assert size[masks["magnitude"]].min() >= size[~masks["magnitude"]].max()
    scores = size * np.sqrt(np.diag(hessian))
    for row, mask in zip(scores, masks["wanda"], strict=True):
        assert mask.sum() == 100 and row[mask].min() >= row[~mask].max()
    assert errors["sparsegpt"] < errors["wanda"] < errors["magnitude"]


def test_bcq_finds_a_matrix_that_is_one():
    rng = np.random.default_rng(6)
    alphas = np.array([[1.0, 0.55, 0.25]]) * rng.uniform(0.5, 2, (20, 1))
    weights = np.einsum("rp,prc->rc", alphas, rng.choice([-1.0, 1.0], (3, 20, 128))).astype(np.float32)
    assert quantize_matrix(weights, MatrixRecipe(3, "row", "bcq")).mse < 1e-5
    weights = rng.standard_normal((20, 256))
    errors = [quantize_matrix(weights, MatrixRecipe(planes, 64, "bcq")).mse for planes in (1, 2, 3, 4)]
    assert all(after < 0.5 * before for before, after in pairwise(errors))


@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize("group", ["row", 64])
def test_uniform_grids_of_a_gaussian(bits, group):
    weights = np.random.default_rng(7).standard_normal((64, 512))
    quantized = quantize_matrix(weights, MatrixRecipe(bits, group, "rtn"))
    # The best uniform quantisers of 2^bits levels (Max 1960); a group's own scale and an unused level cost little.
    best = (0.3634, 0.1188, 0.0374, 0.01154, 0.003495, 0.001041, 0.000304, 0.0000878)[bits - 1]
    assert quantized.mse < 1.3 * best
    assert quantized.signed == (bits > (3 if group == "row" else 2))
    assert (quantized.double, quantized.zero) == ((0, 0) if quantized.signed else (1, 1 - (1 << bits)))


@every
def test_rows_and_columns_of_zeros_and_dead_inputs(recipe):
    weights, inputs = weights_and_inputs(rows=8, cols=70)
    weights[3], weights[:, 5], inputs[:, 9], inputs[:, 33] = 0, 0, 0, 0
    quantized = quantize_matrix(weights, recipe, hessian_of(inputs))
    found = dequantize(quantized)
    assert np.isfinite(found).all() and quantized.error < 1
    assert (found[3] == 0).all()
    nothing = quantize_matrix(np.zeros((6, 70)), recipe, hessian_of(inputs))
    assert (dequantize(nothing) == 0).all() and (nothing.error, nothing.mse) == (0, 0)
    unused = quantize_matrix(weights, recipe, np.zeros((70, 70)))
    assert unused.error == 0 and np.isfinite(dequantize(unused)).all() and unused.mse < 1


@every
@pytest.mark.parametrize("shape", [(1, 1), (5, 33), (3, 129)], ids=str)
def test_odd_shapes(recipe, shape):
    weights, inputs = weights_and_inputs(*shape)
    quantized = quantize_matrix(weights, recipe, hessian_of(inputs) + np.eye(shape[1]))
    np.testing.assert_allclose(dequantize(quantized), defined(quantized), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("recipe", [MatrixRecipe(4, 32, "rtn"), MatrixRecipe(Code.X2, "row", "trellis"),
                                    MatrixRecipe(2, 32, "bcq")], ids=["4", "X2", "bcq"])
def test_scales_at_the_ends_of_fp16(recipe):
    weights, _ = weights_and_inputs(rows=6, cols=64)
    tiny = quantize_matrix(weights * 1e-12, recipe)
    assert (dequantize(tiny) == 0).all() and tiny.mse == pytest.approx(1)
    assert quantize_matrix(weights * 1e5, recipe).mse < 0.2
    weights[2] *= 1e9
    with pytest.raises(CompressError, match="row 2 of the weights needs a scale beyond 65504, the largest FP16 number"):
        quantize_matrix(weights, recipe)


@pytest.mark.parametrize("value, text", [(np.nan, "nan"), (np.inf, "inf"), (1e300, "inf")])
def test_weights_that_are_not_finite(value, text):
    weights = np.zeros((4, 8))
    weights[2, 5] = value
    with pytest.raises(CompressError, match=f"the weight in row 2, column 5 is {text}, expected finite numbers"):
        quantize_matrix(weights, MatrixRecipe(4, "row", "rtn"))


@pytest.mark.parametrize("hessian, message", [
    (None, "gptq needs a Hessian, and none was given"),
    (np.eye(7), r"the Hessian has shape \(7, 7\), expected \(8, 8\) for 8 columns"),
    (np.full((8, 8), np.nan), "the Hessian holds NaN or infinite numbers"),
    (-np.eye(8), "the Hessian has -1 on its diagonal, expected no negative number"),
    (np.eye(8) + 9 * np.eye(8)[::-1], "the Hessian is not positive definite, expected a sum of inputs' outer products"),
])
def test_bad_hessians(hessian, message):
    with pytest.raises(CompressError, match=message):
        quantize_matrix(np.ones((4, 8)), MatrixRecipe(4, "row", "gptq"), hessian)


def test_bad_shapes_and_missing_hessian():
    with pytest.raises(CompressError, match=r"the weights have shape \(4,\), expected rows and columns"):
        quantize_matrix(np.ones(4), MatrixRecipe(4, "row", "rtn"))
    with pytest.raises(CompressError, match=r"the weights have shape \(0, 4\), expected rows and columns"):
        quantize_matrix(np.ones((0, 4)), MatrixRecipe(4, "row", "rtn"))
    with pytest.raises(CompressError, match="prune wanda needs a Hessian, and none was given"):
        quantize_matrix(np.ones((4, 8)), MatrixRecipe(4, "row", "rtn", 0.5, "wanda"))


@pytest.mark.parametrize("fields, message", [
    (dict(bits=4, method="awq"), "method is 'awq', expected one of rtn, gptq, trellis, bcq"),
    (dict(bits=4, group=16), "group is 16, expected row, 32, 64 or 128"),
    (dict(bits=4, group="column"), "group is 'column', expected row, 32, 64 or 128"),
    (dict(bits=0), "bits is 0, expected 1 to 8 or a window code"),
    (dict(bits=9), "bits is 9, expected 1 to 8 or a window code"),
    (dict(bits=2.5), "bits is 2.5, expected 1 to 8 or a window code"),
    (dict(bits=Code.PLAIN, method="trellis"), "bits is PLAIN, expected 1 to 8 or a window code"),
    (dict(bits=Code.X2_5, method="gptq"), "bits is X2.5, which method gptq cannot make; expected method trellis"),
    (dict(bits=3, method="trellis"), r"bits is 3 with method trellis, expected a window code \(X2, X2.5, X3, X4\)"),
    (dict(bits=4, sparsity=1.0, prune="wanda"), "sparsity is 1.0, expected 0 or more and less than 1"),
    (dict(bits=4, sparsity=float("nan"), prune="wanda"), "sparsity is nan, expected 0 or more and less than 1"),
    (dict(bits=4, sparsity=0.5), "sparsity is 0.5 but prune is not set, expected one of magnitude, wanda, sparsegpt"),
    (dict(bits=4, prune="wanda"), "prune is wanda but sparsity is 0, expected a share of weights to prune"),
    (dict(bits=4, sparsity=0.5, prune="random"), "prune is 'random', expected one of magnitude, wanda, sparsegpt"),
    (dict(bits=3, method="bcq", sparsity=0.5, prune="wanda"),
     "sparsity is 0.5 with method bcq, whose weights have no zero"),
    (dict(bits=1, sparsity=0.5, prune="wanda"),
     "sparsity is 0.5 with 1 bit, which has no zero; expected 2 bits or more"),
    (dict(bits=4, method="rtn", sparsity=0.5, prune="sparsegpt"),
     "prune is sparsegpt with method rtn, which has no error feedback; expected gptq or trellis"),
])
def test_contradictions_are_named(fields, message):
    with pytest.raises(CompressError, match=f"^{message}$"):
        MatrixRecipe(**fields)


MUTATIONS = {
    "lazy update forgotten": ("slabs[end:] -= upper[start:end, end:].T @ errors", "pass"),
    "feedback inside a block forgotten": ("slab -= upper[start:at, at] @ errors[:at - start]", "pass"),
    "error not divided": ("(slab - weights) / upper[at, at]", "(slab - weights)"),
    "too much damping": ("DAMPING = 0.01", "DAMPING = 0.3"),
    "smallest inputs first": ("np.argsort(-np.diag(self.damped)", "np.argsort(np.diag(self.damped)"),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_mutation_is_caught(name):
    mutant = mutate(gptq.__name__, *MUTATIONS[name])
    with pytest.raises(AssertionError):
        check_textbook(mutant, MatrixRecipe(3, "row"))
