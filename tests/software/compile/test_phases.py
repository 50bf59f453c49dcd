"""Every instruction of a compiled model tells what it is for."""

import pytest
from dojang.checkpoints import ModelShape
from dojang.checkpoints.synthetic import random_checkpoint
from dojang.compile import compile_model
from dojang.compile.program import Phase, ProgramBuilder
from dojang.profile.instructions import decode
from dojang_hdl.config import preset
from dojang_hdl.isa import Context, Op, Stream

SHAPE = ModelShape(layers=2, d=96, heads=6, kv_heads=3, head_dim=32, ffn=160, vocab=131, context=256)

OF_A_LAYER = ["attention norm", "qkv", "rotary", "kv write", "scores", "softmax", "values", "output", "residual",
              "ffn norm", "gate/up", "activation", "down"]


def test_a_stream_keeps_the_phase_of_its_consumer():
    builder = ProgramBuilder()
    builder.phase = Phase("wait")
    builder.emit(Op.WAIT, 4)
    builder.phase = Phase("product", 3)
    builder.stream(Stream.PLANES, 8)
    builder.consume(Op.GEMV, 4)
    assert builder.finish().phases == [Phase("product", 3), Phase("wait"), Phase("product", 3)]
    assert str(Phase("product", 3)) == "layer 3: product" and str(Phase("wait")) == "wait"


@pytest.mark.parametrize("contexts", [1, 4])
def test_phases_of_a_model(contexts):
    image = compile_model(random_checkpoint(SHAPE), preset("sim-2x2"), 64)
    for node, program in enumerate(image.node_programs(contexts)):
        found = decode(program, [Context(1, 9 + c) for c in range(contexts)])
        assert found[-1].op is Op.END and len(found) * 32 <= len(program.text)
        for layer in range(SHAPE.layers):
            names = list(dict.fromkeys(each.phase.name for each in found if each.phase.layer == layer
                                       and each.op is not Op.STREAM))
            owns = node < SHAPE.kv_heads
            expected = OF_A_LAYER if owns else [name for name in OF_A_LAYER
                                                if name not in ("kv write", "scores", "softmax", "values")]
            assert names == expected
        outside = list(dict.fromkeys(each.phase.name for each in found if each.phase.layer is None
                                     and each.op is not Op.STREAM))
        assert outside == ["embedding", "output norm", "head", "end"]
