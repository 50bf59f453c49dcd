"""Random traffic on the controller and the device model: no wrong word, no broken rule."""

import pytest
from dojang_hdl.lpddr4.timing import Lpddr4Config
from dojang_sim.lpddr4.traffic import RANDOM_PHASES, build_lpddr4_traffic, run_traffic

RATES, DENSITIES = (533, 1066, 1600, 3200, 4266), (4, 8, 16)


def campaign(config: Lpddr4Config, commands: int, seed: int) -> None:
    result = run_traffic(build_lpddr4_traffic(config), RANDOM_PHASES, words=config.words, commands=commands, seed=seed,
                         timeout_s=3600)
    assert result.commands == commands


@pytest.mark.parametrize("ratio", [4, 8])
def test_short(ratio):
    campaign(Lpddr4Config(rate=3200, density=8, ratio=ratio, init_divisor=1000), 20_000, seed=ratio)


@pytest.mark.slow
@pytest.mark.parametrize("density", DENSITIES)
@pytest.mark.parametrize("rate", RATES)
def test_million_commands(rate, density):
    campaign(Lpddr4Config(rate=rate, density=density, init_divisor=100), 10 ** 6, seed=rate + density)
