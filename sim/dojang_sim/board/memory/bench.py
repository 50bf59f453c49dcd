"""cocotb bench that comes before `dojang_sim.benches.memory_port` on a board's memory: calibration, bandwidth, order.

Environment: besides that bench's, ``MEMORY_PEAK`` (words per cycle that the pins can move), ``MEMORY_SUSTAINED`` (least
part of it that long sequential reads reach), ``MEMORY_FAILS`` (a regular expression of the sentence with which the
calibration has to fail, if it is given; then nothing else is tested).
"""

import os
import random
import re

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles
from dojang.driver.calibrate import CalibrationError, calibrate
from dojang_hdl.config import WORD_BYTES
from dojang_hdl.memory_control import CONTROL_WINDOW, MemoryControl

from dojang_sim.benches import memory_port
from dojang_sim.benches.memory_port import WORDS, command, exchange_after, word

PEAK = float(os.environ["MEMORY_PEAK"])
SUSTAINED = float(os.environ["MEMORY_SUSTAINED"])
FAILS = os.environ.get("MEMORY_FAILS")

REQUEST_CYCLES = 5000
BURST = 256

PLACES = 48
"""Where short bursts begin that meet all banks and several rows of each."""

SLOW_CYCLES = 2000
"""From one look at the timer to the next."""


class PortDevice:
    """What `calibrate` needs, over a memory port without a guard."""

    def __init__(self, dut):
        self._dut, self._rng = dut, random.Random(1)

    def read_memory(self, channel, byte_addr, length, physical=False):
        return cocotb.task.resume(self._read)(byte_addr // WORD_BYTES, length // WORD_BYTES)

    def write_memory(self, channel, byte_addr, data, physical=False):
        cocotb.task.resume(self._write)(byte_addr // WORD_BYTES, data)

    async def _read(self, addr, count):
        if addr == CONTROL_WINDOW + MemoryControl.TIMER:   # a link would be as slow
            clock = Clock(self._dut.clk, 2, unit="step")
            clock.start()
            await ClockCycles(self._dut.clk, SLOW_CYCLES)
            clock.stop()
        words, _ = await exchange_after(self._dut, [command(0, addr, count)], [], count, REQUEST_CYCLES, self._rng,
                                        reset=False)
        return b"".join(value.to_bytes(WORD_BYTES, "little") for value in words)

    async def _write(self, addr, data):
        values = [int.from_bytes(data[at:at + WORD_BYTES], "little") for at in range(0, len(data), WORD_BYTES)]
        # A read of a harmless register ends the run after the writes.
        await exchange_after(self._dut, [command(1, addr, len(values)), command(0, CONTROL_WINDOW, 1)],
                             [word(value) for value in values], 1, REQUEST_CYCLES, self._rng, reset=False)


@cocotb.test()
async def calibration(dut):
    await exchange_after(dut, [command(0, CONTROL_WINDOW, 1)], [], 1, 1000, random.Random(1), reset=True)
    memory_port.started = True
    steps = []
    device = PortDevice(dut)
    if FAILS:
        try:
            await cocotb.task.bridge(calibrate)(device, 1, steps.append)
        except CalibrationError as error:
            assert re.search(FAILS, str(error)), str(error)
            return
        raise AssertionError(f"the calibration should have failed: {FAILS}")
    result = await cocotb.task.bridge(calibrate)(device, 1, steps.append)
    dut._log.info("%s", result.table())
    assert steps
    assert result.words == WORDS
    assert (await cocotb.task.bridge(calibrate)(device, 1)).kept


@cocotb.test(skip=FAILS is not None)
async def sequential_bandwidth(dut):
    """Commands of 256 words one after the other, as a chip streams weights; refreshes and rows included."""
    count = min(WORDS // BURST, 32)
    rng = random.Random(5)
    writes = [rng.getrandbits(128) for _ in range(BURST)]
    for first in range(0, count * BURST, BURST):
        await exchange_after(dut, [command(1, first, BURST), command(0, first, 1)],
                             [word(value ^ first) for value in writes], 1, 50000, rng, reset=False)
    _, first = await exchange_after(dut, [command(0, 0, 1)], [], 1, 1000, rng, reset=False)
    commands = [command(0, at * BURST, BURST) for at in range(count)]
    words, cycles = await exchange_after(dut, commands, [], count * BURST, 200000, rng, reset=False)
    assert words == [value ^ at * BURST for at in range(count) for value in writes]
    part = count * BURST / (cycles - first + 1) / PEAK
    dut._log.info("sequential reads: %.2f %% of the pins' peak over %d words", 100 * part, count * BURST)
    assert part >= SUSTAINED, f"{part:.4f} of the peak, expected {SUSTAINED}"


@cocotb.test(skip=FAILS is not None)
async def order_over_banks(dut):
    """Single words and short bursts all over the memory, read and written: banks may not overtake each other."""
    rng = random.Random(6)
    places, contents, commands, writes, reads = [rng.randrange(WORDS - 8) for _ in range(PLACES)], {}, [], [], []
    for index in range(PLACES + 1000):
        begin = index < PLACES
        base, length = places[index if begin else rng.randrange(PLACES)], 8 if begin else rng.choice((1, 1, 2, 8))
        write = begin or rng.random() < 0.3
        commands.append(command(write, base, length))
        for addr in range(base, base + length):
            if write:
                contents[addr] = rng.getrandbits(128)
                writes.append(word(contents[addr]))
            else:
                reads.append(contents[addr])
    words, _ = await exchange_after(dut, commands, writes, len(reads), 300_000, rng, reset=False)
    assert words == reads
