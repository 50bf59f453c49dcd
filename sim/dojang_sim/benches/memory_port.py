"""cocotb bench of any memory whose port ``port`` is a `MemoryPort`: data, masks, order, latency and throughput.

Environment: ``MEMORY_WORDS`` (size), ``MEMORY_LATENCY`` (least and most cycles from a read command to its first word,
as in ``32:32``), ``MEMORY_RATE`` (least words per cycle of back-to-back long reads), ``MEMORY_STARTUP`` (cycles after
reset in which it may not answer yet, 0 if not given). The memory is reset once, before the first test.
"""

import os
import random

import cocotb
from cocotb.triggers import Timer
from dojang_hdl.config import WORD_BITS, WORD_BYTES
from dojang_hdl.memory import MemoryCommand, MemoryWrite

from .stream_agents import Driver, Monitor, run

WORDS = int(os.environ["MEMORY_WORDS"])
LEAST, MOST = map(int, os.environ["MEMORY_LATENCY"].split(":"))
RATE = float(os.environ["MEMORY_RATE"])
STARTUP = int(os.environ.get("MEMORY_STARTUP", "0"))

AREA = min(WORDS, 64)

started = False


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
    global started
    if not started:
        started = True
        await exchange_after(dut, [command(0, 0, 1)], [], 1, STARTUP + 1000, rng, reset=True)
    return await exchange_after(dut, commands, writes, count, cycles, rng, stalls, reset=False)


async def exchange_after(dut, commands, writes, count, cycles, rng, stalls=(0.0, 0.0, 0.0), *, reset):
    words = []
    agents = [Driver(dut, "port__command", commands, rng, stalls[0]),
              Driver(dut, "port__write", writes, rng, stalls[1]),
              Monitor(dut, "port__read", words.append, rng, stalls[2])]
    cycles = await run(dut, agents, lambda: len(words) == count, cycles, reset)
    for stream in "command", "write":   # else the clock's next start would transfer the last payload again
        getattr(dut, f"port__{stream}__valid").value = 0
    await Timer(1, "step")
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
    assert LEAST <= cycles - 1 <= MOST, f"{cycles - 1} cycles, expected {LEAST} to {MOST}"


@cocotb.test()
async def throughput_of_bursts(dut):
    length, bursts = AREA, 20
    _, first = await exchange(dut, [command(0, 0, 1)], [], 1, 1000, random.Random(1))
    _, cycles = await exchange(dut, [command(0, 0, length)] * bursts, [], length * bursts, 50000, random.Random(2))
    rate = length * bursts / (cycles - first + 1)
    assert rate >= RATE, f"{rate:.3f} words per cycle, expected {RATE}"
    dut._log.info("%.3f words per cycle in bursts of %d", rate, length)


@cocotb.test(skip=LEAST != MOST)
async def throughput_of_single_words(dut):
    """A memory of fixed latency moves single words as fast as bursts, reads and writes alike."""
    count = 200
    _, cycles = await exchange(dut, [command(0, i % AREA, 1) for i in range(count)], [], count, 5000, random.Random(3))
    assert cycles == count + LEAST
    commands = [command(1, i % AREA, 1) for i in range(count)] + [command(0, 0, 1)]
    _, cycles = await exchange(dut, commands, [word(i) for i in range(count)], 1, 5000, random.Random(4))
    assert cycles == count + 1 + LEAST
