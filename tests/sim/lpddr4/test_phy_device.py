"""The device behind the PHY boundary, under Verilator."""

import pytest
from dojang_hdl.lpddr4.timing import Lpddr4Config
from dojang_sim.cocotb_runner import run_bench
from dojang_sim.lpddr4.device import PhyDevice, phy_sources


@pytest.mark.parametrize(("rate", "ratio"), [(1600, 4), (3200, 8)])
def test_phy_device(rate, ratio):
    config = Lpddr4Config(rate, 8, ratio, 1000)
    run_bench(PhyDevice(config), "dojang_sim.benches.lpddr4_phy", f"lpddr4_phy_{rate}_{ratio}",
              extra_sources=phy_sources(),
              environment={"LPDDR4_CONFIG": f"{config.rate} {config.density} {config.ratio} {config.init_divisor}"})
