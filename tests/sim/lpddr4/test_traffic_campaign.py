"""Random traffic on the controller and the device model: no wrong word, no broken rule."""

import pytest
from dojang_hdl.lpddr4.timing import Lpddr4Config
from dojang_sim.lpddr4.traffic import PATTERNS, RANDOM_PHASES, build_lpddr4_traffic, run_traffic

RATES, DENSITIES = (533, 1066, 1600, 3200, 4266), (4, 8, 16)
WIDE = Lpddr4Config(rate=3200, ratio=8, ports=2, init_divisor=1000)


def campaign(config: Lpddr4Config, commands: int, seed: int) -> None:
    result = run_traffic(build_lpddr4_traffic(config), [RANDOM_PHASES] * config.ports, words=config.port_words,
                         commands=commands, seed=seed, timeout_s=3600)
    assert result.commands == commands * config.ports


@pytest.mark.parametrize("config", [
    pytest.param(Lpddr4Config(rate=3200, init_divisor=1000), marks=pytest.mark.slow, id="one port"),
    pytest.param(WIDE, id="two ports")])
def test_short(config):
    campaign(config, 20_000 // config.ports, seed=config.ratio)


@pytest.fixture(scope="module")
def wide():
    return build_lpddr4_traffic(WIDE)


@pytest.mark.parametrize("first, second, least", [
    ("sequential", "sequential", (0.985, 0.985)),
    ("sequential", "writes", (0.8, 0.8)),
    ("sequential", "chunks-128", (0.98, 0.95)),
    ("writes", "chunks-128", (0.8, 0.7)),
    ("writes-single", "kv-30", (0.8, 0.8)),
])
def test_ports_share_the_pins(wide, first, second, least):
    """Words a cycle of each port, whatever the other one asks for at the same time; alone it would have about 1."""
    size = 1 << 19
    for names, floors in (((first, second), least), ((second, first), least[::-1])):
        patterns = [PATTERNS[name] for name in names]
        # As many commands at each; whoever has the shorter ones is done first, and was never alone.
        commands = max(pattern.commands(size) for pattern in patterns)
        result = run_traffic(wide, patterns, words=WIDE.port_words, commands=commands // 4,
                             warmup=commands // 40)
        shares = [(port.words_read + port.words_written) / port.cycles for port in result.ports]
        assert all(share >= floor for share, floor in zip(shares, floors, strict=True)), shares


@pytest.mark.slow
@pytest.mark.parametrize("rate", (2133, 3200, 4266))
def test_million_commands_of_two_ports(rate):
    campaign(Lpddr4Config(rate=rate, ratio=8, ports=2, init_divisor=100), 10 ** 6, seed=rate)


@pytest.mark.slow
@pytest.mark.parametrize("density", DENSITIES)
@pytest.mark.parametrize("rate", RATES)
def test_million_commands(rate, density):
    campaign(Lpddr4Config(rate=rate, density=density, init_divisor=100), 10 ** 6, seed=rate + density)
