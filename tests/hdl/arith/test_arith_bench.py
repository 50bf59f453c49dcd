from dojang_sim.benches.arith_harness import ArithHarness
from dojang_sim.cocotb_runner import run_bench


def test_random_operations_are_bit_exact():
    run_bench(ArithHarness(), "dojang_sim.benches.arith", "arith_harness",
              environment={"ARITH_COUNT": "120000", "ARITH_SEED": "2026"})
