"""cocotb bench of any memory whose port ``port`` is a `MemoryPort`: data, masks, order, latency and throughput.

Environment: ``MEMORY_WORDS`` (size), ``MEMORY_LATENCY`` (exact cycles from a read command to its first word; empty if
it varies), ``MEMORY_RATE`` (least words per cycle of back-to-back long reads).
"""

import os
import random

import cocotb
from dojang_hdl.config import WORD_BITS, WORD_BYTES
from dojang_hdl.memory import MemoryCommand, MemoryWrite

from .stream_agents import Driver, Monitor, run

WORDS = int(os.environ["MEMORY_WORDS"])
LATENCY = os.environ["MEMORY_LATENCY"]
RATE = float(os.environ["MEMORY_RATE"])

AREA = min(WORDS, 64)


def command(write, addr, length):
    return MemoryCommand.const({"write": write, "addr": addr, "length": length}).as_bits()


def word(data, mask=(1 << WORD_BYTES) - 1):
    return MemoryWrite.const({"data": data, "mask": mask}).as_bits()


def scenario(rng, count):
    """Random overlapping bursts in a small area, written fully first: (commands, write words, words to be read)."""
    contents = {}
    commands, writes, reads = [], [], []
    for index in range(count):
        write = index == 0 or rng.random() < 0.5
        base = rng.randrange(AREA) if index else 0
        length = rng.randint(1, AREA - base) if index else AREA
        commands.append(command(write, base, length))
        for addr in range(base, base + length):
            if not write:
                reads.append(contents[addr])
                continue
            data = rng.getrandbits(WORD_BITS)
            mask = rng.choice((rng.getrandbits(WORD_BYTES), (1 << WORD_BYTES) - 1)) if index else (1 << WORD_BYTES) - 1
            writes.append(word(data, mask))
            keep = sum(0xFF << 8 * byte for byte in range(WORD_BYTES) if not mask >> byte & 1)
            contents[addr] = contents.get(addr, 0) & keep | data & ~keep & (1 << WORD_BITS) - 1
    return commands, writes, reads


async def exchange(dut, commands, writes, count, cycles, rng, stalls=(0.0, 0.0, 0.0)):
    """Run ``commands`` and ``writes`` until ``count`` words have come back: the words and the cycles it took."""
    words = []
    agents = [Driver(dut, "port__command", commands, rng, stalls[0]),
              Driver(dut, "port__write", writes, rng, stalls[1]),
              Monitor(dut, "port__read", words.append, rng, stalls[2])]
    cycles = await run(dut, agents, lambda: len(words) == count, cycles)
    return words, cycles


@cocotb.test()
@cocotb.parametrize(stalls=[(0.0, 0.0, 0.0), (0.5, 0.0, 0.0), (0.0, 0.5, 0.0), (0.0, 0.0, 0.5), (0.3, 0.3, 0.3)])
async def reads_what_was_written(dut, stalls):
    rng = random.Random(repr(stalls))
    commands, writes, reads = scenario(rng, 60)
    commands.append(command(0, AREA - 1, 1))   # ends the run only after the last write
    words, _ = await exchange(dut, commands, writes, len(reads) + 1, 60 * 400, rng, stalls)
    assert words[:-1] == reads


@cocotb.test()
async def latency(dut):
    words, cycles = await exchange(dut, [command(0, 3, 1)], [], 1, 1000, random.Random(1))
    assert len(words) == 1
    if LATENCY:
        assert cycles == int(LATENCY) + 1, f"{cycles - 1} cycles, expected {LATENCY}"


@cocotb.test()
async def throughput_of_bursts(dut):
    length, bursts = AREA, 20
    _, first = await exchange(dut, [command(0, 0, 1)], [], 1, 1000, random.Random(1))
    _, cycles = await exchange(dut, [command(0, 0, length)] * bursts, [], length * bursts, 50000, random.Random(2))
    rate = length * bursts / (cycles - first + 1)
    assert rate >= RATE, f"{rate:.3f} words per cycle, expected {RATE}"
    dut._log.info("%.3f words per cycle in bursts of %d", rate, length)


@cocotb.test(skip=not LATENCY)
async def throughput_of_single_words(dut):
    """A memory of fixed latency moves single words as fast as bursts, reads and writes alike."""
    count = 200
    _, cycles = await exchange(dut, [command(0, i % AREA, 1) for i in range(count)], [], count, 5000, random.Random(3))
    assert cycles == count + int(LATENCY)
    commands = [command(1, i % AREA, 1) for i in range(count)] + [command(0, 0, 1)]
    _, cycles = await exchange(dut, commands, [word(i) for i in range(count)], 1, 5000, random.Random(4))
    assert cycles == count + 1 + int(LATENCY)
