"""The whole engine under Verilator, bit for bit against the golden model."""

import pytest
from dojang_hdl.config import ChipConfig
from dojang_hdl.engine import Engine, GemvCommand
from dojang_hdl.isa import GEMV
from dojang_sim.cocotb_runner import run_bench


@pytest.mark.parametrize(("lanes", "contexts", "rows", "cases", "coded"), [
    (4, 3, 256, 24, False), (4, 1, 256, 40, True),
    # one and two lanes, and four of four contexts, run every day in whole chips
    *(pytest.param(*case, marks=pytest.mark.slow) for case in (
        (1, 1, 128, 20, False), (1, 1, 128, 24, True), (2, 4, 128, 24, False), (2, 2, 128, 24, True),
        (4, 4, 256, 24, True),
        # more contexts than rows of a word take cycles of bits
        (1, 12, 32, 10, True), (1, 32, 64, 6, False)))])
def test_engine_bench(lanes, contexts, rows, cases, coded):
    config = ChipConfig("bench", lanes=lanes, contexts=contexts, acc_rows=rows, coded=coded)
    run_bench(Engine(config), "dojang_sim.benches.engine", "engine", environment={
        "ENGINE_LANES": str(lanes), "ENGINE_CONTEXTS": str(contexts), "ENGINE_ROWS": str(rows),
        "ENGINE_CODED": str(int(coded)), "ENGINE_CASES": str(cases)})


def test_command_has_the_fields_of_the_instruction():
    fields = {name: width for name, width in GEMV if name not in ("n_is_groups", "pad")}
    assert dict(GemvCommand.members) == {"act": 16, "out": 16, **fields}
