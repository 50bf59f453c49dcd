"""The encoder of the window codes against exhaustive search, a Viterbi search in float64, and the golden decoder."""

from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from dojang import native
from dojang.compress import trellis
from dojang.compress.trellis import GAIN, MSE, TrellisEncoder, decode, encoder
from dojang_hdl.isa import Code
from dojang_hdl.window_code import CODES, WindowCode
from dojang_sim.golden import window as golden

codes = pytest.mark.parametrize("code", CODES, ids=lambda code: code.name)

# Of a Gaussian, at most: what the codes were chosen for, and 2 %.
FIGURES = {Code.X2: 0.0724, Code.X2_5: 0.0387, Code.X3: 0.0197, Code.X4: 0.0062}


def golden_levels(code, symbols, rows):
    return golden.decode(CODES[code], symbols)[:rows]


def loss(code, levels, target, scale, mask=None):
    """Of each column, float64."""
    error = target - scale[:, None] * (2.0 * levels - CODES[code].maximum)
    return np.square(error if mask is None else error * mask).sum(axis=0)


def best_loss(code, target, scale, mask=None):
    """The least that any symbols reach for one column, by dynamic programming in float64."""
    definition = CODES[code]
    values = trellis.window_values(definition)
    states = 1 << definition.window - definition.step_bits
    windows = np.arange(1 << definition.window)
    metric = np.full(states, np.inf)
    metric[0] = 0
    for row in range(0, len(target), definition.steps_rows):
        cost = metric[windows >> definition.step_bits]
        for at, table in zip(range(row, min(row + definition.steps_rows, len(target))), values, strict=False):
            if mask is None or mask[at]:
                cost = cost + (target[at] - scale[at] * (2.0 * table - definition.maximum)) ** 2
        metric = cost.reshape(-1, states).min(axis=0)
    return metric.min()


@codes
@pytest.mark.parametrize("rows", [1, 2, 7, 576])
def test_levels_are_what_the_symbols_decode_to(code, rows):
    target = np.random.default_rng(rows).standard_normal((rows, 5)).astype(np.float32)
    symbols, levels = encoder(code).encode(target, np.full(rows, GAIN[code]))
    assert symbols.shape == (-(-rows // CODES[code].steps_rows), 5) and symbols.max() < 1 << CODES[code].step_bits
    np.testing.assert_array_equal(levels, golden_levels(code, symbols, rows))
    np.testing.assert_array_equal(levels, decode(code, symbols, rows))


@codes
def test_error_of_a_gaussian(code):
    target = np.random.default_rng(5).standard_normal((4096, 32)).astype(np.float32)
    scale = np.full(4096, GAIN[code], np.float32)
    _, levels = encoder(code).encode(target, scale)
    mse = loss(code, levels, target, scale).sum() / target.size
    assert 0.25 ** CODES[code].bits_per_weight < mse < 1.02 * FIGURES[code]
    assert mse == pytest.approx(MSE[code], rel=0.02)


@codes
@pytest.mark.parametrize("masked", [False, True])
def test_short_columns_against_every_sequence(code, masked):
    definition, rng = CODES[code], np.random.default_rng(3)
    steps = {2: 6, 3: 4, 4: 3, 5: 2}[definition.step_bits]
    rows = steps * definition.steps_rows
    target, scale = rng.standard_normal((rows, 20)).astype(np.float32), rng.uniform(0.1, 0.5, rows).astype(np.float32)
    mask = rng.random((rows, 20)) < 0.5 if masked else None
    _, levels = encoder(code).encode(target, scale, mask)
    every = np.array(list(product(range(1 << definition.step_bits), repeat=steps)), np.uint8).T
    everything = golden_levels(code, every, rows)
    for column in range(20):
        part = slice(column, column + 1)
        keep = None if mask is None else mask[:, part]
        found = loss(code, levels[:, part], target[:, part], scale, keep)[0]
        least = loss(code, everything, target[:, part], scale, keep).min()
        assert found == pytest.approx(least, rel=1e-5, abs=1e-9)


def sizes(kind, rows, rng):
    """Row scales as different as a matrix may have them."""
    if kind == "far apart":
        return np.exp(rng.uniform(-3, 3, rows))
    return np.repeat([1, 1e-4, 3e3, 1e-2, 1e-7, 1.0], rows // 6) * rng.uniform(0.5, 2, rows)


@codes
@pytest.mark.parametrize("kind", ["far apart", "in steps"])
def test_optimal_whatever_the_scales(code, kind):
    rng = np.random.default_rng(8)
    rows = 384  # six times whole chunks of the encoder's
    size = sizes(kind, rows, rng)
    target = (rng.standard_t(4, (rows, 2)) * size[:, None]).astype(np.float32)
    scale, mask = (GAIN[code] * size).astype(np.float32), rng.random((rows, 2)) < 0.7
    for keep in (None, mask):
        _, levels = encoder(code).encode(target, scale, keep)
        for column in range(2):
            found = loss(code, levels[:, column:column + 1], target[:, column:column + 1].astype(float), scale,
                         None if keep is None else keep[:, column:column + 1])[0]
            least = best_loss(code, target[:, column], scale, None if keep is None else keep[:, column])
            assert found <= 1.0005 * least


@codes
def test_small_rows_are_served_among_large_ones(code):
    """Rows a ten-thousandth as large as those of another part keep their quality."""
    rng, rows = np.random.default_rng(9), 600
    size = np.where(np.arange(rows) < 300, 1, 1e-4)
    target = (rng.standard_normal((rows, 8)) * size[:, None]).astype(np.float32)
    scale = (GAIN[code] * size).astype(np.float32)
    _, levels = encoder(code).encode(target, scale)
    relative = (target - scale[:, None] * (2.0 * levels - CODES[code].maximum)) / size[:, None]
    assert np.square(relative[320:]).mean() < 1.1 * MSE[code]


@codes
def test_masked_targets_do_not_matter(code):
    rng = np.random.default_rng(10)
    target, scale = rng.uniform(-2, 2, (300, 4)).astype(np.float32), np.full(300, GAIN[code], np.float32)
    mask = rng.random(target.shape) < 0.5
    symbols, levels = encoder(code).encode(target, scale, mask)
    other, _ = encoder(code).encode(np.where(mask, target, 1e30).astype(np.float32), scale, mask)
    np.testing.assert_array_equal(symbols, other)
    _, dense = encoder(code).encode(target, scale)
    assert loss(code, levels, target, scale, mask).sum() < 0.8 * loss(code, dense, target, scale, mask).sum()


@codes
def test_scale_of_zero_counts_nothing(code):
    target = np.random.default_rng(11).standard_normal((64, 3)).astype(np.float32)
    scale = np.where(np.arange(64) % 3, GAIN[code], 0).astype(np.float32)
    symbols, _ = encoder(code).encode(target, scale)
    same, _ = encoder(code).encode(target, np.full(64, GAIN[code]), np.repeat(scale[:, None] != 0, 3, axis=1))
    np.testing.assert_array_equal(symbols, same)
    nothing, _ = encoder(code).encode(target, np.zeros(64))
    assert nothing.shape == symbols.shape


@codes
def test_strides_and_negative_scales(code):
    rng = np.random.default_rng(12)
    target, scale = rng.standard_normal((130, 6)).astype(np.float32), rng.uniform(0.1, 0.4, 130).astype(np.float32)
    mask = rng.random(target.shape) < 0.8
    expected, _ = encoder(code).encode(target, scale, mask)
    across, _ = encoder(code).encode(np.ascontiguousarray(target.T).T, scale, np.ascontiguousarray(mask.T).T)
    np.testing.assert_array_equal(across, expected)
    for column in range(6):
        alone, _ = encoder(code).encode(target[:, column:column + 1], scale, mask[:, column:column + 1])
        np.testing.assert_array_equal(alone[:, 0], expected[:, column])
    turned, _ = encoder(code).encode(-target, -scale, mask)
    np.testing.assert_array_equal(turned, expected)


@pytest.mark.parametrize("flags", [("-mavx2",), ()], ids=["avx2", "portable"])
def test_every_machine_finds_the_same(flags):
    flags = (*(flag for flag in native.FLAGS if flag != "-march=native"), "-O1", *flags)
    if "-mavx2" in flags and " avx2 " not in Path("/proc/cpuinfo").read_text():
        pytest.skip("the processor has no AVX2")
    rng = np.random.default_rng(13)
    size = np.exp(rng.uniform(-2, 2, 400))
    target, mask = (rng.standard_t(3, (400, 3)) * size[:, None]).astype(np.float32), rng.random((400, 3)) < 0.8
    for code, definition in CODES.items():
        scale = (GAIN[code] * size).astype(np.float32)
        found, _ = TrellisEncoder(definition, flags).encode(target, scale, mask)
        np.testing.assert_array_equal(found, encoder(code).encode(target, scale, mask)[0])


def test_threads_do_not_disturb_each_other():
    rng = np.random.default_rng(14)
    targets = [rng.standard_normal((rows, 20)).astype(np.float32) for rows in (100, 900, 300, 1300)]

    def run(target):
        return encoder(Code.X2).encode(target, np.full(len(target), GAIN[Code.X2]))[0]

    alone = [run(target) for target in targets]
    with ThreadPoolExecutor(4) as pool:
        for expected, found in zip(alone, pool.map(run, targets), strict=True):
            np.testing.assert_array_equal(found, expected)


def test_bad_arguments():
    target = np.zeros((4, 2), np.float32)
    with pytest.raises(ValueError, match=r"scale has shape \(3,\), expected \(4,\)"):
        encoder(Code.X2).encode(target, np.ones(3))
    with pytest.raises(ValueError, match=r"mask has shape \(4, 1\), expected \(4, 2\)"):
        encoder(Code.X2).encode(target, np.ones(4), np.ones((4, 1), bool))
    with pytest.raises(ValueError, match=r"code is X9, which trellis\.cpp has no kernel for"):
        TrellisEncoder(WindowCode("X9", 9, 2, (((1, (0, 3)),),))).encode(target, np.ones(4))


# Each is compiled without optimisation and for one code; a test above must fail.
MUTATIONS = {
    "starts anywhere": ("metrics[0][at] = Lanes{} + FAR;", "metrics[0][at] = Lanes{};"),
    "ends in state 0": ("at = candidate;", "at = 0;"),
    "no new unit": ("start ? wanted - exponent : 0", "0"),
    "mask not looked at": ("const bool counts = d != 0 &&", "const bool counts = d != 0 || "),
    "squares without the row's scale": ("factor = counts ? d * d : 0", "factor = counts ? 1 : 0"),
    "not the smallest": ("return a < b ? a : b;", "return a < b ? b : a;"),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_mutation_is_caught(name, tmp_path, monkeypatch):
    source = Path(trellis.__file__).with_name("trellis.cpp").read_text()
    old, new = MUTATIONS[name]
    assert source.count(old) == 1
    for other in ("13, 5, 2, 1", "12, 3, 1, 1", "12, 4, 1, 2"):
        source = source.replace(f"return new Kernel<{other}>(values);", "return nullptr;")
    mutant = tmp_path / "trellis.cpp"
    mutant.write_text(source.replace(old, new))
    monkeypatch.setattr(trellis, "__file__", str(tmp_path / "trellis.py"))
    monkeypatch.setenv("DOJANG_CACHE", str(tmp_path))
    encode = TrellisEncoder(CODES[Code.X2], (*native.FLAGS, "-O1")).encode
    monkeypatch.setitem(globals(), "encoder", lambda code: type("", (), {"encode": staticmethod(encode)}))
    trellis._library.cache_clear()
    try:
        with pytest.raises(AssertionError):
            test_short_columns_against_every_sequence(Code.X2, True)
            test_optimal_whatever_the_scales(Code.X2, "in steps")
            test_masked_targets_do_not_matter(Code.X2)
    finally:
        trellis._library.cache_clear()
