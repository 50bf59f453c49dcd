"""cocotb bench of the engine: random products, bit for bit against the golden model, with stalls on every stream.

Environment: ``ENGINE_LANES``, ``ENGINE_CONTEXTS``, ``ENGINE_ROWS``, ``ENGINE_CODED`` (the configuration),
``ENGINE_CASES`` (products of a test), ``ENGINE_REPORT`` (file for the cycles of the throughput test, optional).
"""

import json
import os
import random
from collections import deque
from pathlib import Path

import cocotb
import numpy as np
from dojang_hdl.config import ChipConfig
from dojang_hdl.engine import Engine
from dojang_hdl.engine.aligner import Aligner
from dojang_hdl.engine.group_aligner import GroupAligner
from dojang_hdl.isa import Code, ScaleMode
from dojang_hdl.sram_port import SRAM_LATENCY
from dojang_hdl.window_code import CODES

from .engine_cases import BLOCK, GemvCase, grouped_case, last_exit, random_case, random_coded_case, window_case
from .stream_agents import Driver, run

CONFIG = ChipConfig("bench", lanes=int(os.environ["ENGINE_LANES"]), contexts=int(os.environ["ENGINE_CONTEXTS"]),
                    acc_rows=int(os.environ["ENGINE_ROWS"]), coded=os.environ["ENGINE_CODED"] == "1")
CASES = int(os.environ["ENGINE_CASES"])
GUARD_WORDS = 3
WAITING = ("waiting_planes", "waiting_scales", "waiting_activations")


class Sram:
    """Answers the read port after `SRAM_LATENCY`, with garbage where nothing was put; hands writes to ``written``."""

    def __init__(self, dut, rng, written):
        self._dut, self._rng, self._written = dut, rng, written
        self.words: dict[int, int] = {}
        self._pipeline = deque([0] * SRAM_LATENCY)

    def drive(self):
        self._dut.sram__data.value = self._pipeline.popleft()

    def sample(self):
        address = int(self._dut.sram__addr.value)
        self._pipeline.append(self.words.get(address, 0xDEAD << 112 | address))
        if int(self._dut.write__en.value):
            assert int(self._dut.write__mask.value) == 0xF, "a partial write"
            self._written(int(self._dut.write__addr.value), int(self._dut.write__data.value))


class Checker:
    """Every write of a command is one of its result words, exactly once, and all of them are there when busy falls."""

    def __init__(self, dut, cases: list[GemvCase]):
        self._dut = dut
        self._cases = deque(cases)
        self._missing: dict[int, int] | None = None
        self._nonfinite = False
        self.finished = 0
        self.cycles: list[int] = []
        self.waits = {name: 0 for name in WAITING}

    def written(self, address: int, word: int):
        assert self._missing is not None, f"a write to {address:#x} while idle"
        assert address in self._missing, f"a write to {address:#x}, outside the results or twice"
        expected = self._missing.pop(address)
        assert word == expected, f"{self._describe()}: word {address:#x} is {word:032x}, expected {expected:032x}"

    def _describe(self):
        case = self._cases[0]
        return (f"case {self.finished}: {case.rows} rows, {case.groups} groups of {case.group}, {case.bits} bits, "
                f"signed={case.signed}, {case.scale_mode.name}, {case.contexts} contexts, {case.code.name}, "
                f"masked={case.masked}, rotated={case.rotated}, {case.terms} terms")

    def drive(self):
        pass

    def sample(self):
        dut = self._dut
        busy = bool(int(dut.busy.value))
        assert bool(int(dut.command__ready.value)) != busy, "ready does not mean idle"
        if self._missing is not None and busy:
            self.cycles[-1] += 1
            self._nonfinite |= bool(int(dut.nonfinite.value))
            waiting = [name for name in WAITING if int(getattr(dut, name).value)]
            assert len(waiting) <= 1, f"{waiting} at once"
            for name in waiting:
                self.waits[name] += 1
        elif self._missing is not None:
            assert not self._missing, f"{self._describe()}: {len(self._missing)} words missing when busy fell"
            case = self._cases.popleft()
            assert self._nonfinite == (case.nonfinite and case.rows * case.groups > 0), "nonfinite"
            self._missing = None
            self.finished += 1
        if not busy and int(dut.command__valid.value):
            self._missing, self._nonfinite = self._cases[0].expected(), False
            self.cycles.append(0)


async def execute(dut, cases: list[GemvCase], seed: int, *, stall: float = 0.0, stall_planes: float = 0.0,
                  stall_scales: float = 0.0) -> Checker:
    """All cases back to back, their vectors side by side in SRAM with words between them that must not change."""
    rng = random.Random(seed)
    checker = Checker(dut, cases)
    sram = Sram(dut, rng, checker.written)
    at, planes, scales = rng.randrange(1, 256), [], []
    for case in cases:
        at = case.place(at, rng.randrange(4)) + rng.randrange(4)
        assert at < 1 << 16, "more cases than SRAM"
        sram.words.update(case.activations())
        if case.rows and case.groups:
            planes += case.plane_words(CONFIG.lanes)
            scales += case.scale_words()
    taken = {"planes": 0, "scales": 0}

    def counted(name, words):
        for word in words:
            yield word
            taken[name] += 1

    guard = [rng.getrandbits(128) for _ in range(GUARD_WORDS)]
    agents = [
        sram, Driver(dut, "command", [case.command() for case in cases], rng, stall),
        Driver(dut, "planes", counted("planes", planes + guard), rng, stall_planes),
        Driver(dut, "scales", counted("scales", scales + guard), rng, stall_scales), checker,
    ]
    work = sum(case.rows * case.bits * case.passes for case in cases)
    limit = int((8 * len(planes) + 8 * work + 1000 * len(cases)) / (1 - max(stall, stall_planes, stall_scales)))
    await run(dut, agents, lambda: checker.finished == len(cases), limit)
    assert taken["planes"] == len(planes), f"{taken['planes']} plane words taken, expected {len(planes)}"
    assert len(scales) <= taken["scales"] <= len(scales) + 2, f"{taken['scales']} scale words taken of {len(scales)}"
    return checker


def random_cases(seed: int, count: int = CASES) -> list[GemvCase]:
    rng = np.random.default_rng(seed)
    random = random_coded_case if CONFIG.coded else random_case
    return [random(rng, CONFIG.acc_rows, CONFIG.contexts) for _ in range(count)]


@cocotb.test()
async def without_stalls(dut):
    cases = random_cases(1)
    checker = await execute(dut, cases, 1)
    if all(case.code == Code.PLAIN for case in cases):  # the decoder has warm-up parts between
        assert checker.waits["waiting_planes"] == 0


@cocotb.test()
async def stalls_of_planes(dut):
    await execute(dut, random_cases(2), 2, stall_planes=0.5)


@cocotb.test()
async def stalls_of_scales(dut):
    checker = await execute(dut, random_cases(3), 3, stall_scales=0.95)
    assert checker.waits["waiting_scales"] > 0


@cocotb.test()
async def stalls_everywhere(dut):
    await execute(dut, random_cases(4), 4, stall=0.8, stall_planes=0.2, stall_scales=0.4)


@cocotb.test()
async def nothing_to_do(dut):
    """Commands without rows or groups, between others, take no data and write nothing."""
    cases = random_cases(5, 4)
    for case in (cases[0], cases[2]):
        case.codes = case.codes[:0] if case is cases[0] else case.codes[:, :0]
    await execute(dut, cases, 5)


def _ideal(case: GemvCase) -> int:
    """Cycles of a product whose streams deliver and whose blocks are long enough to align the next one."""
    contexts, units, bits = case.contexts, case.rows // CONFIG.lanes, case.bits
    apart = max(CONFIG.lanes, -(-CONFIG.lanes * contexts // 4))     # units whose results are written
    if CONFIG.coded:     # warm-up parts cost nothing: planes of a few units wait in the decoder's queue
        steps = 1 + last_exit(CONFIG.lanes, CONFIG.acc_rows, apart, [
            ((case.group // BLOCK - 1) * units * bits, [bits] * units)] * case.products)
    else:
        steps = (case.products - 1) * units * max(bits, CONFIG.lanes) + (units - 1) * max(bits, apart) + bits
    if CONFIG.coded:
        first = 8 * (case.group // BLOCK) * (contexts + 1) + 8 * contexts + GroupAligner.latency
    else:
        first = 8 * contexts + Aligner.latency
    return first + steps + Engine(CONFIG).latency + contexts - 1


@cocotb.test()
async def throughput(dut):
    """With enough rows every cycle but the first block's alignment and the last row's way out takes a plane."""
    rng = np.random.default_rng(6)
    rows, several = CONFIG.acc_rows, CONFIG.contexts
    cases = [grouped_case(rng, rows, 6, BLOCK, contexts, bits, mode=mode) for bits, mode, contexts in (
        (4, ScaleMode.AFFINE, 1), (8, ScaleMode.SCALE, several), (CONFIG.lanes, ScaleMode.AFFINE, 1),
        (8, ScaleMode.NONE, 1))]
    if CONFIG.coded:
        cases += [grouped_case(rng, rows, 3, group, 1, bits, mode=mode, double=double, zero=-1, rotated=rotated)
                  for group, bits, mode, double, rotated in (
                      (4 * BLOCK, 1, ScaleMode.SCALE, 1, False), (2 * BLOCK, 2, ScaleMode.SCALE, 0, True),
                      (4 * BLOCK, 1, ScaleMode.ROW, 1, True))]
        cases += [grouped_case(rng, rows, 4, BLOCK, 1, 1, mode=ScaleMode.SCALE, double=1, zero=-1, terms=3)]
        cases += [window_case(rng, code, rows, 3, 2 * BLOCK, 1, rotated=True, masked=masked)
                  for code in CODES for masked in (False, True)]
    ideal = [_ideal(case) for case in cases]
    checker = await execute(dut, cases, 6)
    table = [{"rows": case.rows, "groups": case.groups, "bits": case.bits, "mode": case.scale_mode.name,
              "code": case.code.name, "group": case.group, "contexts": case.contexts, "cycles": cycles,
              "steps": case.rows // CONFIG.lanes * case.bits * case.passes}
             for case, cycles in zip(cases, checker.cycles, strict=True)]
    if "ENGINE_REPORT" in os.environ:
        Path(os.environ["ENGINE_REPORT"]).write_text(json.dumps(table))
    for row, cycles in zip(table, ideal, strict=True):
        assert row["cycles"] == cycles, f"{row}, expected {cycles} cycles"
