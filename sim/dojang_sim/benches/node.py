"""cocotb bench of one `Node`: random programs against the emulated node, with a slow memory and stalled links.

Memory contents (the SRAM banks are stored at the end of a program), candidates and error bits must be equal.
Environment: ``NODE_PROGRAMS`` (programs per test), ``NODE_SEED``.
"""

import os
import random
from collections.abc import Sequence

import cocotb
import numpy as np
from dojang_hdl import isa
from dojang_hdl.config import WORD_BYTES, ChipConfig
from dojang_hdl.isa import SET_BITS, Add, Context, Flag, Mul, Op, Round, Stream
from dojang_hdl.mesh.flit import DataKind

from ..golden.emulator import Emulator
from .node_agents import HostModel, MemoryModel, Replies
from .node_programs import BITS, FLOATS, PROGRAM, RX, ProgramWriter, random_memory
from .stream_agents import Monitor, run

CONFIG = ChipConfig("bench", width=1, height=1, lanes=2, contexts=3, acc_rows=64, sram_words=256, plane_fifo=128,
                    scale_fifo=128, program_fifo=64, chunk=32, channel_mib=1)
PROGRAMS, SEED = int(os.environ.get("NODE_PROGRAMS", "3")), int(os.environ.get("NODE_SEED", "1"))
STEPS = 40
PADDING = 2000
"""Words behind END: all nodes read as many words as the longest program has."""

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


def constants(values) -> bytes:
    """A program that makes vectors of a number each, rounded as named, and multiplies them with some matrix."""
    def code(op, n, **fields):
        return isa.encode(op, n_base=n, **fields)

    text = [code(Op.LOAD, 8, d=RX, channel=0, addr=FLOATS), code(Op.WAIT, 8)]
    for rounding, number in values:
        pattern = int(np.float32(number).view(np.uint32))
        text += [code(Op.VEC, 32, a=RX, mul=Mul.IMM, add=Add.IMM, imm1=pattern, round=Round[rounding], store=1),
                 code(Op.STREAM, 1, stream=Stream.PLANES, channel=0, addr=BITS),
                 code(Op.GEMV, 4, groups=1, bits=1, d=8)]
    text += [code(Op.TOPK, 1, a=RX, reset=1), code(Op.REPORT, 1), code(Op.END, 1)]
    return b"".join(word.to_bytes(WORD_BYTES, "little") for instruction in text for word in instruction)


class Bench:
    """The node and the emulated one, on a memory each; runs follow each other without a reset."""

    def __init__(self, dut, seed: int, stall: float, latency: int):
        self._dut = dut
        self.rng = random.Random(seed)
        self._memory = random_memory(CONFIG.channel_words, seed)
        self._emulator = Emulator(CONFIG, [self._memory.copy()], seed)
        replies = Replies(dut, "data_i_west", self.rng, stall)
        self.model = model = MemoryModel(self._memory, replies, self.rng, latency)
        self._host = HostModel(model, replies)
        self._agents = [Monitor(dut, "request_o_west", model.request, self.rng, stall), replies]
        self._runs = 0
        silence(dut)

    async def run(self, text: bytes, contexts: Sequence[Context] = (Context(0, 0),), number: int = 0) -> int:
        """Run a program on both; the error bits."""
        memory, other = self._memory, self._emulator.memories[0]
        for image in (memory, other):
            image[PROGRAM * WORD_BYTES:PROGRAM * WORD_BYTES + len(text)] = np.frombuffer(text, np.uint8)
        length = len(text) // WORD_BYTES
        expected = self._emulator.run(PROGRAM, 12, length, contexts, set=number)
        self._host.run(PROGRAM, length, contexts, number)
        cycles = await run(self._dut, self._agents, lambda: self._host.done, WATCHDOG, reset=self._runs == 0)

        name = f"program {self._runs}"
        reported = expected.candidates[0]
        lists, counters, errors = self._host.results(CONFIG.top_k, len(reported))
        changed = np.flatnonzero((memory != other).reshape(-1, WORD_BYTES).any(axis=1))
        assert not len(changed), f"{name}: {len(changed)} memory words differ, the first is {changed[0]:#x}"
        for candidates, (context, listed) in zip(lists, reported.items(), strict=True):
            best = [(int(np.float32(value).view(np.uint32)), token) for value, token in listed]
            assert candidates[:len(best)] == best, f"{name}: candidates of context {context}"
            assert all(token == EMPTY for _, token in candidates[len(best):]), f"{name}: empty places"
        assert errors == expected.errors[0], f"{name}: errors {errors:#x}, expected {expected.errors[0]!r}"
        check_counters(counters, cycles)
        self._dut._log.info("%s: %d instructions in %d cycles", name, expected.instructions[0], cycles)
        self._runs += 1
        return errors


@cocotb.test()
@cocotb.parametrize((("stall", "latency"), [(0.0, 4), (0.2, 60), (0.7, 20)]))
async def random_programs(dut, stall, latency):
    bench = Bench(dut, SEED + latency + int(10 * stall), stall, latency)
    rng, scalars, halves = bench.rng, set(), set()  # scalars live on from run to run
    for _ in range(PROGRAMS):
        contexts = [Context(rng.randrange(2000), rng.randrange(300), 32 * rng.randrange(1 << 10 if c % 2 else 1 << 14),
                            bool(rng.getrandbits(1)), bool(rng.getrandbits(1))) for c in range(CONFIG.contexts)]
        number = rng.randrange(1, 1 << SET_BITS)
        registers = [context.registers(number if CONFIG.coded else 0) for context in contexts]
        text = ProgramWriter(CONFIG, rng, registers, scalars, halves).write(STEPS)
        await bench.run(text, contexts, number)


@cocotb.test()
async def flags(dut):
    """Each flag comes from its own events only, stays to the end of the run, and is down again in the next."""
    bench = Bench(dut, SEED, 0.2, 10)
    largest = float(np.nextafter(np.float32(65520), np.float32(0)))
    for values, expected in (
            ((("FP16", -65520.0),), Flag.SATURATED), ((("FP16", largest),), Flag(0)),
            ((("NONE", np.inf),), Flag.NONFINITE), ((("NONE", 1e9),), Flag(0)),
            ((("FP16", np.inf), ("FP16", 1.0), ("INT8", 1e9)), Flag.SATURATED), ((("FP16", np.nan),), Flag.NONFINITE),
            ((("FP16", 1e9), ("NONE", np.nan), ("FP16", 0.0)), Flag.SATURATED | Flag.NONFINITE), ((), Flag(0))):
        assert await bench.run(constants(values)) == expected, values


@cocotb.test()
async def padding(dut):
    """What is behind END is asked for only as far as the program's FIFO had room, and is gone in the next run."""
    bench = Bench(dut, SEED, 0.2, 10)
    for values in ((("FP16", 1e9),), (), (("NONE", np.nan),)):
        text = constants(values)
        before = bench.model.asked[DataKind.PROGRAM]
        await bench.run(text + bytes(PADDING * WORD_BYTES))
        asked = bench.model.asked[DataKind.PROGRAM] - before
        assert asked <= len(text) // WORD_BYTES + CONFIG.program_fifo + CONFIG.chunk, f"{asked} words of a program"
