"""The UART on lines of any rate: bytes sent bit by bit, at any phase, off by as much as is documented."""

import random
from itertools import pairwise

import pytest
from amaranth.sim import Simulator
from dojang_hdl.host.uart import Divisor, UartReceiver, UartTransmitter
from dojang_sim.benches.mutation import mutate

CLOCK_HZ = 75e6
RATES = (18_750_000, 12_000_000, 9_000_000, 4_000_000, 3_000_000)  # 4, 6.25, 8.3, 18.75 and 25 clocks a bit


def levels(frames, clocks, rng, pause=0.0):
    """The line at each clock: ``frames`` are lists of bits, sent one behind the other, from a random phase on."""
    edges, at = [], 3 * clocks + rng.random()
    for bits in frames:
        for bit in bits:
            edges.append((at, bit))
            at += clocks
        at += pause * rng.random() * clocks
    result, level, index = [], 1, 0
    for clock in range(int(at + 3 * clocks)):
        while index < len(edges) and edges[index][0] <= clock:
            level = edges[index][1]
            index += 1
        result.append(level)
    return result


def frame(byte):
    return [0, *(byte >> i & 1 for i in range(8)), 1]


def receive(line, dut):
    """(bytes, framing errors, breaks)"""
    got, events = [], [0, 0]

    async def bench(ctx):
        for level in [*line, *[1] * 8]:
            ctx.set(dut.line, level)
            if ctx.get(dut.o.valid):
                got.append(ctx.get(dut.o.payload))
            events[0] += ctx.get(dut.framing)
            events[1] += ctx.get(dut.broken)
            await ctx.tick()

    simulate(dut, bench)
    return bytes(got), *events


def simulate(dut, *benches):
    simulator = Simulator(dut)
    simulator.add_clock(1e-8)
    for bench in benches:
        simulator.add_testbench(bench)
    simulator.run()


def sent(seed, count=24):
    rng = random.Random(seed)
    return bytes((0, 255, 0x55, 0xAA, 1, 0x80)) + rng.randbytes(count), rng


def check_rate(make, baud, off, pause=0.0):
    data, rng = sent(baud)
    assert receive(levels(map(frame, data), CLOCK_HZ / baud / (1 + off), rng, pause), make(CLOCK_HZ, baud)) == (
        data, 0, 0), off


@pytest.mark.parametrize("baud", RATES)
def test_bytes_at_the_edges_of_the_tolerance(baud):
    tolerance = Divisor(CLOCK_HZ, baud).tolerance
    assert tolerance > 0.02
    for off in (-0.98 * tolerance, -0.02, 0, 0.02, 0.98 * tolerance):
        check_rate(UartReceiver, baud, off)
    check_rate(UartReceiver, baud, 0.02, pause=2)


@pytest.mark.parametrize("baud, tolerance", [(18_750_000, 0.0263), (12_000_000, 0.0358), (3_000_000, 0.0442),
                                             (115_200, 0.0523)])
def test_tolerance(baud, tolerance):
    assert Divisor(CLOCK_HZ, baud).tolerance == pytest.approx(tolerance, abs=5e-5)


def check_faults(make):
    """Framing errors, a break, a glitch in the idle line, and bytes behind each of them."""
    baud = 3_000_000
    bad, long_low = [0, 1, 0, 0, 0, 0, 0, 0, 0, 0], [0] * 15
    frames = [frame(1), bad, [1], frame(2), long_low, [1], frame(0), frame(3)]
    line = levels(frames, CLOCK_HZ / baud, random.Random(1))
    assert receive(line, make(CLOCK_HZ, baud)) == (bytes((1, 2, 0, 3)), 1, 1)
    line = levels([frame(0xF0), [1, 1], frame(0x0F)], CLOCK_HZ / baud, random.Random(2))
    line[20:26] = [0] * 6  # shorter than half a bit
    assert receive(line, make(CLOCK_HZ, baud))[0] == bytes((0xF0, 0x0F))


def test_faults():
    check_faults(UartReceiver)


def check_glitches(make):
    """A wrong clock in the middle of each bit is outvoted."""
    data, baud = bytes(range(0, 256, 17)), 3_000_000
    line = levels(map(frame, data), 25, random.Random(0))
    for at in range(75 + 13, len(line) - 75, 25):
        line[at] ^= 1
    assert receive(line, make(CLOCK_HZ, baud))[0] == data


def test_glitches():
    check_glitches(UartReceiver)


def check_transmitter(make, baud, held=False):
    """The line, sampled by the clock's own count, and without a pause between bytes."""
    data, _ = sent(baud)
    dut, line = make(CLOCK_HZ, baud), []

    async def feed(ctx):
        for byte in data:
            ctx.set(dut.i.payload, byte)
            ctx.set(dut.i.valid, 1)
            await ctx.tick().until(dut.i.ready)
        ctx.set(dut.i.valid, 0)

    async def watch(ctx):
        clocks = CLOCK_HZ / baud
        for cycle in range(int((10 * len(data) + 30 * held) * clocks + 40)):
            if held:
                ctx.set(dut.clear, not 25 * clocks < cycle < 45 * clocks)
            line.append(ctx.get(dut.line))
            await ctx.tick()

    simulate(dut, feed, watch)
    clocks, at, got, starts = CLOCK_HZ / baud, 0, [], []
    while 0 in line[at:]:
        at = line.index(0, at)
        starts.append(at)
        bits = [line[int(at + (i + 0.5) * clocks)] for i in range(10)]
        assert bits[0] == 0 and bits[9] == 1
        got.append(sum(bit << i for i, bit in enumerate(bits[1:9])))
        at = int(at + 9.5 * clocks)
    assert bytes(got) == data
    gaps = [after - before for before, after in pairwise(starts)]
    if held:
        assert max(gaps) > 12 * clocks and sum(gap > 11 * clocks for gap in gaps) == 1
    else:
        assert max(gaps) - min(gaps) <= 1
        assert abs(sum(gaps) / len(gaps) - 10 * clocks) < 1 / len(gaps) + 0.01


@pytest.mark.parametrize("baud", RATES)
def test_transmitter(baud):
    check_transmitter(UartTransmitter, baud)


def test_nothing_begins_while_the_other_side_is_not_ready():
    check_transmitter(UartTransmitter, 12_000_000, held=True)


def test_too_few_clocks_are_named():
    with pytest.raises(ValueError, match="baud=20,000,000, expected 1 to 18,750,000: at least 4 clocks of"):
        Divisor(CLOCK_HZ, 20_000_000)


@pytest.mark.parametrize("baud", [300, 9_600, 115_200, 921_600, 3_000_000, 12_000_000])
def test_the_divisor_is_exact_enough(baud):
    divisor = Divisor(CLOCK_HZ, baud)
    assert (1 << divisor.bits) / divisor.step == pytest.approx(CLOCK_HZ / baud, rel=1e-4)


def _rates(make):
    for off in (-0.035, 0.035):
        check_rate(make, 12_000_000, off)


MUTATIONS = {
    "start from the edge": ("(1 << bits - 1) +", "0 +", _rates),
    "clocks of the synchroniser forgotten": ("(1 if self._divisor.majority else 2) * step", "0", _rates),
    "stop bit not checked": ("self.o.valid.eq(value)", "self.o.valid.eq(1)", check_faults),
    "break is a framing error": ("~value & (shift != 0)", "~value", check_faults),
    "start bit not checked": ("with m.If(value):\n                    m.next = \"IDLE\"", "", check_faults),
    "low line is a start": ('m.next = "LOW"', 'm.next = "IDLE"', check_faults),
    "one sample": ("value.eq(level & before[0] | level & before[1] | before[0] & before[1])", "value.eq(before[0])",
                   check_glitches),
    "highest bit first": ("Cat(shift[1:], value)", "Cat(value, shift)", _rates),
}
TRANSMITTER_MUTATIONS = {
    "whole clocks": ("Mux(left == 0, 0, phase)", "Mux((left == 0) | (phase < self._divisor.step), 0, phase)", False),
    "short stop bit": ("left.eq(10)", "left.eq(9)", False),
    "not ready ignored": ("self.i.valid & clear", "self.i.valid", True),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_receiver_is_caught(name):
    old, new, run = MUTATIONS[name]
    with pytest.raises((AssertionError, IndexError)):
        run(mutate("dojang_hdl.host.uart", old, new or "pass").UartReceiver)


@pytest.mark.parametrize("name", TRANSMITTER_MUTATIONS)
def test_a_broken_transmitter_is_caught(name):
    old, new, held = TRANSMITTER_MUTATIONS[name]
    with pytest.raises((AssertionError, IndexError)):
        check_transmitter(mutate("dojang_hdl.host.uart", old, new).UartTransmitter, 12_000_000, held)
