"""The device behind the PHY boundary, under Verilator."""

import pytest
from dojang_hdl.lpddr4.timing import Lpddr4Config
from dojang_sim.cocotb_runner import run_bench
from dojang_sim.lpddr4.device import PhyDevice, phy_sources

# At both, write data is not aligned to controller cycles.
CONFIGS = {4: Lpddr4Config(3200, 8, 4, 1000), 8: Lpddr4Config(1600, 16, 8, 1000)}


def play(config, **environment):
    run_bench(PhyDevice(config), "dojang_sim.benches.lpddr4_phy", f"lpddr4_phy_device_{config.ratio}",
              extra_sources=phy_sources(),
              environment={"LPDDR4_CONFIG": f"{config.rate} {config.density} {config.ratio} {config.init_divisor}",
                           **environment})


@pytest.mark.parametrize("ratio", CONFIGS)
def test_phy_device(ratio):
    play(CONFIGS[ratio])


@pytest.mark.slow
@pytest.mark.parametrize("ratio", [4, 8])
@pytest.mark.parametrize("rate", [533, 1066, 1600, 3200, 4266])
def test_every_rate(rate, ratio):
    play(Lpddr4Config(rate, 8, ratio, 1000))


def test_breach_ends_the_simulation(capfd, tmp_path):
    """The bench ends it with an activation that comes too soon; not so if it is to continue."""
    statistics = tmp_path / "statistics.json"
    with pytest.raises((AssertionError, RuntimeError, SystemExit)):
        play(CONFIGS[4], LPDDR4_BREACH="1", DOJANG_LPDDR4_0=f"statistics={statistics}")
    assert "ACT bank 0: rule tRRD, earliest" in capfd.readouterr().err
    assert '"breaches": 1,' in statistics.read_text()
    play(CONFIGS[4], LPDDR4_BREACH="1", DOJANG_LPDDR4_0="continue")


def test_refused_option(capfd):
    with pytest.raises((AssertionError, RuntimeError, SystemExit)):
        play(CONFIGS[4], DOJANG_LPDDR4_0="go-on")
    assert "lpddr4 channel 0: option is go-on, expected continue" in capfd.readouterr().err
