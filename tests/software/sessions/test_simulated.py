"""Which simulated chips are compiled for the way that they go: those that will run for long."""

import pytest
from dojang.checkpoints import ModelShape
from dojang.checkpoints.synthetic import random_checkpoint
from dojang.sessions import Memory, Waves
from dojang.sessions.simulated import open_simulated
from dojang_hdl.config import preset

SMALL = ModelShape(layers=1, d=128, heads=4, kv_heads=2, head_dim=32, ffn=256, vocab=512, context=32)
LARGE = ModelShape(layers=5, d=512, heads=8, kv_heads=4, head_dim=64, ffn=1536, vocab=512, context=32)


class AskedError(Exception):
    pass


@pytest.mark.parametrize("shape, options, trained", [(SMALL, {}, False), (LARGE, {}, True),
                                                     (LARGE, {"waves": "waves.vcd"}, False),
                                                     (LARGE, {"events": "events"}, False)])
def test_training(shape, options, trained, monkeypatch, tmp_path):
    def build_chip(config, *, train, on_build, **_):
        on_build()
        raise AskedError(train is not None)

    monkeypatch.setattr("dojang_sim.chip.build.build_chip", build_chip)
    options = {name: Waves(tmp_path / value, 1) if name == "waves" else tmp_path / value
               for name, value in options.items()}
    told = []
    with pytest.raises(AskedError) as asked:
        open_simulated(random_checkpoint(shape), preset("sim-2x2"), 32, Memory.IDEAL, progress=told.append, **options)
    assert asked.value.args == (trained,)
    assert told[-1].startswith(f"building the simulated chip (about {'three minutes' if trained else 'a minute'}")
