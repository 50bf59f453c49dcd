"""A session that goes back, as a conversation does: the chip takes the new tokens, and what lay behind is forgotten."""

from dojang.checkpoints import ModelShape, load
from dojang.checkpoints.synthetic import write_synthetic
from dojang.sessions import open_session
from dojang_hdl.config import preset

SHAPE = ModelShape(layers=2, d=64, heads=4, kv_heads=2, head_dim=32, ffn=96, vocab=260, context=64)


def test_logits_after_going_back_are_those_of_a_fresh_session(tmp_path):
    checkpoint = load(write_synthetic(tmp_path / "m.gguf", SHAPE, "Q8_0"))
    kept, dropped, new = [5, 6, 7, 8, 9], [10, 11, 12], [20, 21]

    def session(backend):
        return open_session(checkpoint, preset("sim-1x1"), backend, compare_golden=backend == "rtl", context=40)

    with session("golden") as fresh:
        expected = [*fresh.prefill(kept + new)[-2:], fresh.decode(22)]
    for backend in ("golden", "rtl"):
        with session(backend) as used:
            used.prefill(kept + dropped)
            used.decode(13)
            used.rewind(len(kept))
            got = [*used.prefill(new), used.decode(22)]
        assert [(step.logits == other.logits).all() for step, other in zip(got, expected, strict=True)] == [True] * 3
        assert backend == "golden" or all(step.golden_match for step in got)
