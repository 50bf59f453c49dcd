"""A guarded channel under random traffic: right without faults, and with any of them never silently wrong."""

from dataclasses import replace
from random import Random

import pytest
from dojang.faults import KINDS, MEMORY, Fault, GuardedImage, campaign, try_fault
from dojang_hdl.lpddr4.timing import Lpddr4Config
from dojang_sim.benches.mutation import mutate
from dojang_sim.lpddr4.device import phy_sources
from dojang_sim.lpddr4.traffic import build_lpddr4_traffic, build_traffic, run_traffic

CONFIG = Lpddr4Config(rate=3200, density=4, init_divisor=1000)
NAMES = {kind.description: kind for kind in KINDS}


@pytest.fixture(scope="module")
def channel():
    return build_lpddr4_traffic(CONFIG, MEMORY.tile)


def without_faults(config: Lpddr4Config, memory: GuardedImage, commands: int, folder) -> None:
    prepared = memory.prepare(folder, seed=commands)
    result = run_traffic(build_lpddr4_traffic(config, memory.tile), memory.pattern, words=memory.end,
                         commands=commands, seed=memory.tile, prepared=prepared, pokes=[memory.control],
                         timeout_s=3600)
    counters = result.all_counters
    assert [counters[name] for name in ("errors", "corrected", "tiles_reread", "clusters_reread")] == [0, 0, 0, 0]
    assert min(counters[name] for name in ("merged", "verified", "patrolled")) > commands // 100
    assert memory.is_right(prepared)


def test_without_faults(tmp_path):
    without_faults(CONFIG, MEMORY, 3_000, tmp_path)


@pytest.mark.slow
def test_two_ports_without_faults(tmp_path):
    """Each has a guard and an image of its own."""
    config, prepared = replace(CONFIG, ratio=8, ports=2), []
    for port in range(config.ports):
        folder = tmp_path / str(port)
        folder.mkdir()
        prepared.append(MEMORY.prepare(folder, seed=port))
    result = run_traffic(build_lpddr4_traffic(config, MEMORY.tile), [MEMORY.pattern] * config.ports, words=MEMORY.end,
                         commands=3_000, prepared=prepared, pokes=[MEMORY.control])
    for port, files in enumerate(prepared):
        assert [result.all_counters[f"{name}_{port}"] for name in ("errors", "corrected")] == [0, 0]
        assert result.all_counters[f"verified_{port}"] > 30
        assert MEMORY.is_right(files)


@pytest.mark.slow
@pytest.mark.parametrize("tile", [32, 128])
@pytest.mark.parametrize("rate", [533, 3200])
def test_million_commands_without_faults(rate, tile, tmp_path):
    """Together; also without a patrol."""
    for patrol in (0, 500):
        without_faults(replace(CONFIG, rate=rate), replace(MEMORY, tile=tile, patrol=patrol or 48), 125_000, tmp_path)


def broken(channel, memory, kinds, count):
    return [trial for trial in campaign(channel, memory, kinds, count) if not trial.kept]


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_silently_wrong(channel, name):
    assert broken(channel, MEMORY, [NAMES[name]], 2) == []


@pytest.mark.slow
@pytest.mark.parametrize("tile, rate", [(128, 3200), (32, 533)])
def test_hundreds_of_faults(tile, rate):
    channel = build_lpddr4_traffic(replace(CONFIG, rate=rate), tile)
    assert broken(channel, replace(MEMORY, tile=tile), KINDS, 20) == []


@pytest.mark.parametrize("name", [
    "one bit of a cluster's word, stuck", "one check bit of a cluster, stuck", "one bit of a cluster's CRC, stuck"])
def test_one_bit_is_corrected_and_counted(channel, name):
    for trial in campaign(channel, MEMORY, [NAMES[name]], 2):
        assert trial.result.all_counters["corrected"] > 0


def wrong_cells(channel, memory: GuardedImage, folder) -> bool:
    """Whether one bit wrong in every twentieth cluster is right after two rounds of the patrol."""
    random = Random(5)
    flips = [(int(memory.protection.physical(word)) + random.randrange(8), random.randrange(128))
             for word in range(memory.tiles_end, memory.end, 160)]
    prepared = memory.prepare(folder, 1, flips)
    assert not memory.is_right(prepared)
    run_traffic(channel, memory.pattern, words=memory.end, commands=200, prepared=prepared, pokes=[memory.control],
                quiet=2 * memory.round)
    return memory.is_right(prepared)


def test_the_patrol_repairs_cells(channel, tmp_path):
    assert wrong_cells(channel, MEMORY, tmp_path)
    assert not wrong_cells(channel, replace(MEMORY, patrol=0), tmp_path)


def mutated(module: str, old: str, new: str, *users: str):
    """The harness around a channel with a mutation in a module of the guard; ``users`` of it up to the guard."""
    copies = mutate(f"dojang_hdl.guard.{module}", old, new, (
        *(f"dojang_hdl.guard.{user}" for user in users), "dojang_hdl.guard.guard", "dojang_hdl.lpddr4.guarded",
        "dojang_sim.lpddr4.channel"))
    return build_traffic(copies.Lpddr4Channel(CONFIG, 0, MEMORY.tile), phy_sources())


@pytest.mark.slow
@pytest.mark.parametrize("module, old, new, users, kind, count", [
    ("checker", "(crc.crc[0] ^ judged.addr == expected)", "1", ["reader"],
     "1 to 64 bits of a tile's word, stuck", 10),
    # The address of any other block will do as well.
    ("checker", "(crc.crc[0] ^ judged.addr == expected)", "((crc.crc[0] ^ expected) < 8192)", ["reader"],
     "a tile in another's place", 2),
    ("checker", "(expected == self.verify_crc)", "1", ["reader"], "5 to 40 written bursts lost", 20),
    ("checker", "found.word.eq(corrected(syndrome_of.word, syndrome))", "found.word.eq(syndrome_of.word)", ["reader"],
     "one bit of a cluster's word, stuck", 4),
    ("verifier", "m.Elif(entry.used)", "m.Elif(entry.used & (~mine | (entry.tag != claimed.cluster[bits:])))",
     ["writer"], "5 to 40 written bursts lost", 150),
    ("patrol", "~reading & ", "", ["writer"], "a DQ stuck", 4),
])
def test_mutations_of_the_guard(module, old, new, users, kind, count):
    assert broken(mutated(module, old, new, *users), MEMORY, [NAMES[kind]], count)


@pytest.mark.slow
def test_patrol_that_repairs_nothing(tmp_path):
    channel = mutated("patrol", "m.If(self.found & ~self.refresh.valid)", "m.If(0)", "writer")
    assert not wrong_cells(channel, MEMORY, tmp_path)


@pytest.mark.parametrize("fault", [Fault(options="flip=1:3"), Fault(options="flip=1:3", commands=10)])
def test_a_trial_again_is_the_same(channel, fault):
    first, second = (try_fault(channel, MEMORY, KINDS[0], 0, fault, seed=4) for _ in range(2))
    assert first == second
