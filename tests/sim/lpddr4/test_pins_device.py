"""The device at its pins, under Verilator."""

from dojang_hdl.lpddr4.timing import Lpddr4Config
from dojang_sim.cocotb_runner import run_bench
from dojang_sim.lpddr4.device import PinsDevice, pins_sources


def test_pins_device():
    config = Lpddr4Config(1600, init_divisor=1000)
    run_bench(PinsDevice(config), "dojang_sim.benches.lpddr4_pins", "lpddr4_pins_device", extra_sources=pins_sources(),
              environment={"LPDDR4_CONFIG": f"{config.rate} {config.density} {config.ratio} {config.init_divisor}"})
