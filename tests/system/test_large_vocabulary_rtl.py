"""262,144 tokens on the simulated chip: ids beyond 16 bits in rows, row blocks and candidates."""

import pytest
from dojang.checkpoints import ModelShape


@pytest.mark.slow
@pytest.mark.parametrize("tied", [False, True])
def test_ids_of_a_large_vocabulary(tied, converse, random_model, chip_of, memory_of):
    checkpoint = random_model(ModelShape(1, 32, 2, 1, 32, 32, 1 << 18, 64, tied=tied), ["Q8_0"])
    with converse(checkpoint, chip_of("sim-1x1"), 32, memories=memory_of("sim-1x1")) as conversation:
        conversation.prefill([(1 << 18) - 1, 200_000, 65_536])
        conversation.decode(1 << 17)
