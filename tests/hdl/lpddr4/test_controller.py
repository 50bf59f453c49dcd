"""The whole controller against a memory that judges every command and keeps the data."""

import random

import pytest
from dojang_hdl.guard.layout import PHYSICAL_WINDOW
from dojang_hdl.lpddr4.controller import Controller
from dojang_hdl.lpddr4.guarded import GuardedController
from dojang_hdl.lpddr4.refresh import Temperature
from dojang_hdl.lpddr4.timing import Lpddr4Config
from dojang_sim.benches.lpddr4_controller import PhyMemory, random_traffic, traffic_run
from dojang_sim.benches.mutation import mutate
from dojang_sim.lpddr4 import Command

MODULE = "dojang_hdl.lpddr4.controller"
SHORT = {"init_divisor": 1000}

MUTATIONS = {
    "reads pass writes": ("conflict.eq(gather.pending.bit_select(piece.bank, 1))", "conflict.eq(0)"),
    "slots given out twice": ("read_buffer.take.eq(Mux(sent, bursts, 0))", "read_buffer.take.eq(Mux(sent, 1, 0))"),
    "odd word dropped": ("bursts.eq((piece.word[0] + piece.words + 1) >> 1)", "bursts.eq((piece.words + 1) >> 1)"),
    "first half always wanted": ("access.skip_first.eq(piece.word[0])", "access.skip_first.eq(0)"),
    "last half never wanted": ("access.skip_last.eq((piece.word + piece.words)[0])", "access.skip_last.eq(1)"),
    "write to another bank": ("write & (gather.bank == index)", "write & (piece.bank == index)"),
    "banks not held for a refresh": ("bank.port.hold.eq(refresher.hold[index])",
                                     "bank.port.hold.eq(~self.ready)"),
    "commands during initialisation": ("refresher.closed.eq(~self.ready)", "refresher.closed.eq(0)"),
    "no refresh": ("refresher.enable.eq(initialiser.done)", "refresher.enable.eq(initialiser.done & ~self.ready)"),
    "read not announced": ("phy.read_start.eq(scheduler.sent.read)",
                           "phy.read_start.eq(scheduler.sent.read & ~scheduler.sent.wanted[1])"),
    "room not asked for": ("& ~write & room)", "& ~write)"),
}


@pytest.mark.parametrize("rate, ratio", [(533, 4), (1066, 8), (1600, 4), (3200, 8), (4266, 4)])
def test_random_traffic(rate, ratio):
    config = Lpddr4Config(rate, ratio=ratio, **SHORT)
    commands = [(1, 5, 60), *random_traffic(random.Random(rate + ratio), config.words, 12)]
    memory = PhyMemory(config)
    traffic_run(config, commands, stalls=(0.1, 0.2, 0.2), masks=0.3, memory=memory)
    seen = {Command.ACT, Command.PREPB, Command.RD, Command.WR, Command.MWR, Command.REFPB}
    assert seen <= memory.commands.keys()


WIDE = Lpddr4Config(3200, ratio=8, ports=2, **SHORT)


def test_two_ports():
    """At random, then streams: a word a cycle each, together the pins' peak."""
    streams = [(0, 2048 + 256 * index, 256) for index in range(3)]
    commands = [[*random_traffic(random.Random(seed), WIDE.port_words, 6), *streams] for seed in (1, 2)]
    traffic_run(WIDE, commands, stalls=(0.1, 0.2, 0.2), masks=0.3)
    assert traffic_run(WIDE, [streams, streams]) <= 3 * 256 * 1.06


def test_each_port_has_a_guard_before_it():
    """Through the window to the memory as it is."""
    commands = [[(write, PHYSICAL_WINDOW + 40 * port, 20) for write in (1, 0)] for port in range(2)]
    traffic_run(WIDE, commands, masks=0.3, controller=lambda config: GuardedController(config, 128))


class FirstWrite(PhyMemory):
    """``wait``: cycles from the first burst read to the first one written."""

    def _execute(self, time, kind, command):
        super()._execute(time, kind, command)
        if kind is Command.RD and self.commands[kind] == 1:
            self.start = self.cycle
        if kind is Command.WR and self.commands[kind] == 1:
            self.wait = self.cycle - self.start


def turned_for_a_read(controller=Controller):
    """A port reads what it has just written while the other one always has reads, so short that the bus is never quiet.
    """
    stream = [(0, 8 * index, 8) for index in range(150)]
    reads = [(0, 2 * index, 2) for index in range(10)]
    memory = FirstWrite(WIDE)
    traffic_run(WIDE, [[*reads, (1, 256, 4), (0, 256, 4)], stream], controller=controller, memory=memory)
    assert memory.wait <= 150


def test_a_read_behind_a_write_turns_the_bus():
    turned_for_a_read()
    broken = mutate(MODULE, "pressures.append(self._waiting_reads(m, banks))", "pass").Controller
    with pytest.raises(AssertionError):
        turned_for_a_read(broken)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_more_random_traffic(seed):
    rng = random.Random(seed)
    config = Lpddr4Config((533, 1066, 1600, 3200, 4266)[seed // 2 % 5], rng.choice((4, 8, 16)), 4 + seed % 2 * 4, 1000)
    stalls = [rng.choice((0, 0.1, 0.8)) for _ in range(3)]
    traffic_run(config, random_traffic(rng, config.words, 100), stalls=stalls, masks=rng.random(), cycles=100_000)


@pytest.mark.parametrize("ratio", [4, 8])
def test_sequential_reads_keep_the_bus_full(ratio):
    """At most a twentieth is lost to opening rows and refreshes; at ratio 8 the port takes half of the peak."""
    config = Lpddr4Config(1600, ratio=ratio, **SHORT)
    cycles = traffic_run(config, [(0, 256 * index, 256) for index in range(6)])
    assert cycles <= 6 * 256 * 1.05


@pytest.mark.parametrize("temperature", [Temperature.HALF, Temperature.QUARTER_DERATED])
def test_refreshes_follow_the_temperature(temperature):
    """MR4 is looked at before the first access."""
    config = Lpddr4Config(533, **SHORT)
    memory = PhyMemory(config, temperature.value)
    traffic_run(config, random_traffic(random.Random(3), config.words, 16), masks=0.2, stalls=(0.2, 0, 0.1),
                memory=memory)
    assert memory.commands[Command.MRR] == 1
    assert (memory.commands[Command.REFPB] == 0) == (temperature is Temperature.QUARTER_DERATED)


@pytest.mark.parametrize("rate, ratio", [(66, 4), (132, 8)])
def test_upkeep_at_the_slowest_rate(rate, ratio):
    """Temperature and calibration again and again between reads, hot, with hardly time for anything but refreshes."""
    config = Lpddr4Config(rate, 16, ratio, upkeep_ns=200_000, **SHORT)
    memory = PhyMemory(config, Temperature.QUARTER.value)
    traffic_run(config, [(0, 37 * index, 3) for index in range(60)], stalls=(0.9, 0, 0), memory=memory)
    again = (Command.MRR, Command.ZQCAL_START, Command.ZQCAL_LATCH)
    assert all(memory.commands[command] >= 2 for command in again) and not memory.commands[Command.REFPB]


def broken_run(controller=Controller):
    """What is written is read at once, odd words, reads that fill the buffer as nobody takes them, then everything."""
    config = Lpddr4Config(533, **SHORT)
    commands = [(1, 0, 9), (0, 0, 9), (0, 1, 2), *((0, 256 * index + 1, 256) for index in range(3)), (1, 4, 9),
                (0, 4, 9), *random_traffic(random.Random(5), config.words, 5)]
    traffic_run(config, commands, late=1300, masks=0.3, controller=controller, cycles=4000)
    # Accesses that come one by one, some of them while their bank is refreshed
    memory = PhyMemory(config)
    traffic_run(config, [(0, 128 * index, 2) for index in range(100)], stalls=(0.9, 0, 0), controller=controller,
                cycles=4000, memory=memory)
    assert memory.commands[Command.REFPB] >= 8, "refreshes may be late, but not all of them"


def test_the_controller_passes():
    broken_run()


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_controller_is_caught(name):
    broken = mutate(MODULE, *MUTATIONS[name]).Controller
    with pytest.raises((AssertionError, ValueError)):
        broken_run(broken)
