"""What is trained, the scale set that comes of it, the state of a run and the model it came from; without PyTorch."""

import numpy as np
import pytest
from dojang.checkpoints import CheckpointError, ModelShape, load
from dojang.checkpoints.form import Form
from dojang.checkpoints.synthetic import with_forms, write_synthetic
from dojang.compress.compress import compress
from dojang.compress.plan import RECIPES
from dojang.tune import TuneError
from dojang.tune.base import check_tokens, find_base
from dojang.tune.parameters import GAIN, SCALE, Parameters
from dojang.tune.state import State, read_state, state_path, write_state
from dojang_hdl.isa import Code

SHAPE = ModelShape(2, 64, 2, 1, 32, 96, 300, 64)
X3 = Form(4, code=Code.X3, group=64, row_scale=True, rotated=True, double=True, zero=-15)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def path(folder):
    return write_synthetic(folder / "m.gguf", SHAPE, ["Q8_0", "Q4_1", "F16"])


@pytest.fixture(scope="module")
def compressed(path, folder):
    compress(load(path), folder / "m.dojang", RECIPES["3"], np.arange(128).reshape(4, 32))
    return folder / "m.dojang"


def logs(parameters, seed=1):
    rng = np.random.default_rng(seed)
    return {kind: rng.normal(0, 0.1, count).astype(np.float32) for kind, count in parameters.counts.items()}


def test_all_scales_of_the_layers_and_all_gains_are_trained(path):
    parameters = Parameters(with_forms(load(path), [X3, Form(3, group=64)]))
    kinds = list(SHAPE.matrices())
    floats = {f"blk.{at // 7}.{kinds[at % 7]}.weight" for at in range(2, 14, 3)}  # stored as F16
    norms = {f"blk.{layer}.{kind}.weight" for layer in range(2) for kind in ("attn_norm", "ffn_norm")}
    expected = {f"blk.{layer}.{kind}.weight" for layer in range(2) for kind in kinds} - floats
    assert set(parameters.parts) == expected | norms | {"output_norm.weight"}
    assert parameters.counts[GAIN] == 5 * 64
    for kind, count in parameters.counts.items():  # every parameter belongs to one value
        spans = np.zeros(count, int)
        for part in parameters.parts.values():
            if part.kind == kind:
                spans[part.span] += 1
                assert part.stored.size == part.span.stop - part.span.start
        assert (spans == 1).all()


def test_the_set_has_the_factors_and_the_signs(path):
    checkpoint = with_forms(load(path), [X3, Form(3, group=64), Form(1, double=True, zero=-1, terms=2)])
    parameters = Parameters(checkpoint)
    found = logs(parameters)
    tuned = checkpoint.with_set(parameters.scale_set("tuned", found))
    for name, part in parameters.parts.items():
        before, after = checkpoint.tensor(name), tuned.tensor(name)
        before, after = (each.scale if part.kind == SCALE else each for each in (before, after))
        factor = np.exp(found[part.kind][part.span].astype(float)).reshape(before.shape)
        assert after.dtype == before.dtype and (np.sign(after) == np.sign(before)).all()
        assert np.array_equal(after, (before * factor).astype(before.dtype)), name
    assert (np.concatenate([part.stored.ravel() for part in parameters.parts.values()]) < 0).any()


def test_nothing_trained_is_the_model_itself(path):
    checkpoint = with_forms(load(path), [X3])
    parameters = Parameters(checkpoint)
    same = parameters.scale_set("same", {kind: np.zeros(count) for kind, count in parameters.counts.items()})
    assert all(np.array_equal(same.values[name], part.stored) for name, part in parameters.parts.items())


def test_scales_stay_finite(path):
    parameters = Parameters(with_forms(load(path), [X3]))
    large = {kind: np.full(count, 30 if kind == SCALE else 0.0) for kind, count in parameters.counts.items()}
    assert all(np.isfinite(values).all() for values in parameters.scale_set("large", large).values.values())


OPTIONS = {"--rate": 0.002, "--seed": 1, "model": "0123456789abcdef"}


def test_a_state_comes_back(tmp_path):
    path = state_path(tmp_path / "m.set")
    assert path == tmp_path / ".m.set.tune" and read_state(path, OPTIONS) is None
    write_state(path, State(OPTIONS, {"scale": np.arange(3, dtype=np.float32)}, [0.5, 0.25], 1.5))
    found = read_state(path, OPTIONS)
    assert found.kl == [0.5, 0.25] and found.steps == 2 and found.seconds == 1.5
    assert np.array_equal(found.arrays["scale"], [0, 1, 2]) and list(tmp_path.iterdir()) == [path]


def test_a_state_of_other_options(tmp_path):
    write_state(tmp_path / "s", State(OPTIONS, {"scale": np.zeros(1)}, [0.5]))
    with pytest.raises(TuneError, match=r"with --rate 0.002 and model 0123456789ab, not --rate 1 and model f; give"):
        read_state(tmp_path / "s", {**OPTIONS, "--rate": 1, "model": "f"})


@pytest.mark.parametrize("content", [b"", b"garbage" * 9])
def test_a_damaged_state(tmp_path, content):
    (tmp_path / "s").write_bytes(content)
    with pytest.raises(TuneError, match=r"is damaged .* remove it"):
        read_state(tmp_path / "s", OPTIONS)


def test_a_state_that_cannot_be_written(tmp_path):
    with pytest.raises(TuneError, match=r"cannot be written"):
        write_state(tmp_path / "none" / "s", State(OPTIONS, {"scale": np.zeros(1)}))


def test_the_base_is_found(compressed):
    assert find_base(compressed).name == "m.gguf"


def test_the_base_is_missing_or_another(compressed, path, tmp_path, monkeypatch):
    copy = tmp_path / "m.dojang"
    copy.write_bytes(compressed.read_bytes())
    with pytest.raises(TuneError, match=r"was made from 'm.gguf', which is neither beside it nor in this folder"):
        find_base(copy)
    write_synthetic(tmp_path / "m.gguf", SHAPE, "Q8_0", seed=5)
    with pytest.raises(TuneError, match=r"was made from another m.gguf than the one found; give --against"):
        find_base(copy)
    with pytest.raises(TuneError, match=r"not a file that dojang compress has written"):
        find_base(path)
    monkeypatch.setattr("dojang.tune.base.PACKAGED", ("m.gguf",))
    with pytest.raises(TuneError, match=r"was made from m.gguf: .*; or give --against"):
        monkeypatch.setattr("dojang.tune.base.load", lambda name: (_ for _ in ()).throw(CheckpointError("is not here")))
        find_base(copy)


def test_other_tokens(path, tmp_path):
    other = write_synthetic(tmp_path / "o.gguf", ModelShape(1, 64, 2, 1, 32, 96, 290, 64), "Q8_0")
    with pytest.raises(TuneError, match=r"o.gguf has other tokens than m.gguf"):
        check_tokens(load(path), load(other))
