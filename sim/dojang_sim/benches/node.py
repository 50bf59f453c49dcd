"""cocotb bench of one `Node`: random programs against the emulated node, with a slow memory and stalled links.

Memory contents (the SRAM banks are stored at the end of a program), candidates and error bits must be equal.
Environment: ``NODE_PROGRAMS`` (programs per test), ``NODE_SEED``.
"""

import os
import random

import cocotb
import numpy as np
from dojang_hdl.config import WORD_BYTES, ChipConfig
from dojang_hdl.isa import SET_BITS, Reg

from ..golden.emulator import Emulator
from .node_agents import HostModel, MemoryModel, Replies
from .node_programs import PROGRAM, ProgramWriter, random_memory
from .stream_agents import Monitor, run

CONFIG = ChipConfig("bench", width=1, height=1, lanes=2, contexts=2, acc_rows=64, sram_words=256, plane_fifo=64,
                    scale_fifo=64, program_fifo=64, chunk=32, channel_mib=1)
PROGRAMS, SEED = int(os.environ.get("NODE_PROGRAMS", "3")), int(os.environ.get("NODE_SEED", "1"))
STEPS = 40
WATCHDOG = 60_000
EMPTY = 0xFFFFFFFF

OTHERS = ("north", "east", "south")


def silence(dut):
    """Nobody lives north, east and south."""
    dut.x.value = dut.y.value = 0
    for direction in OTHERS:
        for network in ("data", "request"):
            getattr(dut, f"{network}_i_{direction}__valid").value = 0
            getattr(dut, f"{network}_o_{direction}__ready").value = 1
    dut.request_i_west__valid.value = 0
    dut.data_o_west__ready.value = 1


def check_counters(counters, cycles):
    busy, weights, activations, total = counters
    assert weights + activations <= busy <= total <= cycles, f"counters {counters} after {cycles} cycles"


async def programs(dut, seed, stall, latency):
    """Runs that follow each other without a reset, so that scalars and candidates live on."""
    rng = random.Random(seed)
    words = CONFIG.channel_words
    memory = random_memory(words, seed)
    emulator = Emulator(CONFIG, [memory.copy()], seed)
    scalars, halves = set(), set()
    replies = Replies(dut, "data_i_west", rng, stall)
    model = MemoryModel(memory, replies, rng, latency)
    host = HostModel(model, replies)
    agents = [Monitor(dut, "request_o_west", model.request, rng, stall), replies]
    silence(dut)
    for index in range(PROGRAMS):
        position, tokens = rng.randrange(300), [rng.randrange(2000) for _ in range(4)]
        number = rng.randrange(1, 1 << SET_BITS)
        registers = {Reg.ZERO: 0, Reg.POS: position, Reg.SET: number if CONFIG.coded else 0,
                     **{Reg.TOKEN0 + c: token for c, token in enumerate(tokens)}}
        text = ProgramWriter(CONFIG, rng, registers, scalars, halves).write(STEPS)
        for image in (memory, emulator.memories[0]):
            image[PROGRAM * WORD_BYTES:PROGRAM * WORD_BYTES + len(text)] = np.frombuffer(text, np.uint8)
        length = len(text) // WORD_BYTES
        expected = emulator.run(PROGRAM, 12, length, position, len(tokens), tokens, set=number)
        host.run(PROGRAM, length, position, tokens, number)
        cycles = await run(dut, agents, lambda: host.done, WATCHDOG, reset=index == 0)

        candidates, counters, errors = host.results(CONFIG.top_k)
        changed = np.flatnonzero((memory != emulator.memories[0]).reshape(-1, WORD_BYTES).any(axis=1))
        assert not len(changed), f"program {index}: {len(changed)} memory words differ, the first is {changed[0]:#x}"
        best = [(int(np.float32(value).view(np.uint32)), token) for value, token in expected.candidates[0]]
        assert candidates[:len(best)] == best, f"program {index}: candidates"
        assert all(token == EMPTY for _, token in candidates[len(best):]), f"program {index}: empty places"
        assert errors == expected.nonfinite[0], f"program {index}: errors"
        check_counters(counters, cycles)
        dut._log.info("program %d: %d instructions in %d cycles", index, expected.instructions[0], cycles)


@cocotb.test()
@cocotb.parametrize((("stall", "latency"), [(0.0, 4), (0.2, 60), (0.7, 20)]))
async def random_programs(dut, stall, latency):
    await programs(dut, SEED + latency + int(10 * stall), stall, latency)
