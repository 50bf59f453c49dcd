"""The simulated PHY at its pins."""

import pytest
from dojang_hdl.lpddr4.timing import Lpddr4Config
from dojang_sim.cocotb_runner import run_bench
from dojang_sim.lpddr4.serializer import SOURCES, Serializer


# (WL + 4) % ratio: 2 and 4; 1600 Mb/s at ratio 4, with 0, is in test_second_opinion.
@pytest.mark.parametrize(("rate", "ratio"), [
    (1600, 8), *(pytest.param(*case, marks=pytest.mark.slow) for case in ((1066, 4), (4266, 4), (4266, 8)))])
def test_serializer(rate, ratio, capfd):
    run_bench(Serializer(Lpddr4Config(rate=rate, ratio=ratio)), "dojang_sim.benches.lpddr4_serializer",
              "serializer", extra_sources=SOURCES,
              environment={"SERIALIZER_RATE": str(rate), "SERIALIZER_RATIO": str(ratio)})
    assert "[ERROR]" not in capfd.readouterr().out
