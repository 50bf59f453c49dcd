import gc

import pytest
from dojang_hdl.host.bridge import HostBridge
from dojang_sim.benches.host_bridge import BYTE_TIMEOUT, CLOCK_HZ, CONFIG, WAIT_CYCLES
from dojang_sim.cocotb_runner import run_bench


@pytest.mark.parametrize("stall", [0.0, 0.3])
def test_bridge_answers_as_the_model(stall):
    run_bench(HostBridge(CONFIG, BYTE_TIMEOUT, WAIT_CYCLES, CLOCK_HZ), "dojang_sim.benches.host_bridge", "host_bridge",
              environment={"HOST_STALL": str(stall)})


@pytest.mark.filterwarnings("ignore::amaranth.hdl.UnusedElaboratable")
@pytest.mark.parametrize("limits", [{"byte_timeout": 1}, {"wait_cycles": 0}])
def test_impossible_limits_are_named(limits):
    (name,) = limits
    with pytest.raises(ValueError, match=f"{name}={limits[name]}, expected at least 2 cycles"):
        HostBridge(CONFIG, **limits)
    gc.collect()  # here the warning about the refused component is filtered
