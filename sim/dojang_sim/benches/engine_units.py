"""Checks of the engine's parts, and of a small engine, in Amaranth's own simulator.

Each raises AssertionError unless the component given to it is right; tests call them with the real components, the
mutation tests with broken ones.
"""

from collections import deque

import numpy as np
from dojang_hdl.config import ChipConfig
from dojang_hdl.engine import GemvCommand
from dojang_hdl.engine.aligner import Aligner
from dojang_hdl.engine.group_aligner import GroupAligner
from dojang_hdl.isa import Code, ScaleMode
from dojang_hdl.sram_port import SRAM_LATENCY

from ..golden.engine import BLOCK, align, nonfinite
from .engine_cases import GemvCase, grouped_case, last_exit, pack_words, random_case, window_case
from .streams import run

__all__ = ["block_patterns", "check_aligner", "check_coded_engine", "check_coded_throughput", "check_engine",
           "check_lane", "check_many_contexts", "check_revisits", "check_scaler", "check_throughput", "sram"]


async def _idle(ctx, cycles: int):
    for _ in range(cycles):
        await ctx.tick()


def sram(port, words):
    """A memory of ``words`` {address: word} behind ``port``."""
    async def process(ctx):
        pipeline = [0] * (SRAM_LATENCY - 1)
        while True:
            _, _, address = await ctx.tick().sample(port.addr)
            pipeline.append(words.get(address, 0xDEAD))
            ctx.set(port.data, pipeline.pop(0))
    return process


class _Pipeline:
    """What must leave a pipeline, in which cycle. Values are compared with ==: the sign of a zero does not matter."""

    def __init__(self, valid, o, convert=int):
        self._sampled, self._convert = (valid, o), convert
        self._expected: deque[tuple[int, float]] = deque()
        self._cycle = 0

    def expect(self, value, latency: int):
        """The operands of this cycle give ``value``."""
        self._expected.append((self._cycle + latency, value))

    async def tick(self, ctx):
        _, _, valid, o = await ctx.tick().sample(*self._sampled)
        due = bool(self._expected) and self._expected[0][0] == self._cycle
        assert valid == due, f"valid={valid} in cycle {self._cycle}"
        if due:
            _, value = self._expected.popleft()
            assert self._convert(o) == value, f"{self._convert(o)}, expected {value}"
        self._cycle += 1

    async def drain(self, ctx, latency: int):
        for _ in range(latency + 1):
            await self.tick(ctx)
        assert not self._expected


def block_patterns(rng) -> np.ndarray:
    """32 elements whose block exercises one part of the definition."""
    kind = rng.integers(0, 6)
    x = rng.standard_normal(BLOCK).astype(np.float32)
    if kind == 0:
        x = np.ldexp(x, rng.integers(-20, 1, BLOCK)).astype(np.float32)
    elif kind == 1:   # halves and quarters of a unit, on E = 15
        x = (rng.integers(-65536, 65536, BLOCK) / 2).astype(np.float32)
        x[0] = 32768
    elif kind == 2:   # around both ends of E's range
        x = np.ldexp(x, rng.choice([-66, -64, -63, 62, 64, 66, 120], BLOCK)).astype(np.float32)
    elif kind == 3:   # rounds up to 2^15
        x[:3] = [np.nextafter(np.float32(2.0 ** 70), np.float32(0)), -(2 - 2.0 ** -20) * 2.0 ** 8, 1.0]
        x[0] = x[0] if rng.random() < 0.5 else 0
    elif kind == 4:
        x = x * np.float32(2.0 ** -64)
    elif kind == 5:
        x = x * 0
        x[rng.integers(0, BLOCK, 3)] = rng.choice(np.array([np.inf, -np.inf, np.nan, 3, -0.0, 1e-40], np.float32), 3)
    return x


def check_aligner(make, contexts: int, groups: int, seed: int) -> None:
    """``make(contexts)``: blocks of random contexts, taken after random pauses; q, E, X, latency, `nonfinite`."""
    rng = np.random.default_rng(seed)
    dut = make(contexts)
    words, runs, at = {}, [], 5
    for active in range(1, contexts + 1):
        x = np.array([[block_patterns(rng) for _ in range(groups)] for _ in range(active)]).reshape(active, -1)
        stride = x.shape[1] // 4 + int(rng.integers(0, 3))
        for c, vector in enumerate(x):
            words |= {at + c * stride + i: word for i, word in enumerate(pack_words(vector.view(np.uint32), 32))}
        runs.append((at, stride, x))
        at += active * stride
    flagged = 0

    async def bench(ctx):
        for act, stride, x in runs:
            active = len(x)
            q, exponent, total = align(x)
            for port, value in ((dut.act, act), (dut.stride, stride), (dut.groups, groups), (dut.contexts, active - 1)):
                ctx.set(port, value)
            ctx.set(dut.start, 1)
            await ctx.tick()
            ctx.set(dut.start, 0)
            for group in range(groups):
                waited = 1
                while not ctx.get(dut.ready):
                    await ctx.tick()
                    waited += 1
                assert waited == 8 * active + dut.latency, f"ready after {waited} cycles"
                await _idle(ctx, int(rng.integers(1, 4)))
                for c in range(active):
                    assert ctx.get(dut.exponent[c]) == exponent[c, group] - 14, (x[c], group)
                    assert ctx.get(dut.total[c]) == total[c, group]
                ctx.set(dut.take, 1)
                await ctx.tick()
                ctx.set(dut.take, 0)
                for c in range(active):
                    bits = ctx.get(dut.q[c])
                    got = [(bits >> 16 * j & 0xFFFF ^ 0x8000) - 0x8000 for j in range(BLOCK)]
                    assert got == q[c, group].tolist(), x[c].reshape(groups, BLOCK)[group]
            await _idle(ctx, 2 * dut.latency + 8 * contexts)
            assert not ctx.get(dut.ready), "a block after the last"
        expected = any(nonfinite(x) for _, _, x in runs)
        assert bool(flagged) == expected

    async def watch(ctx):
        nonlocal flagged
        while True:
            _, _, pulse = await ctx.tick().sample(dut.nonfinite)
            flagged += pulse

    cycles = contexts * (groups + 2) * (8 * contexts + 2 * dut.latency + 10)
    run(dut, bench, cycles=cycles, background=(sram(dut.sram, words), watch))


def check_lane(make, seed: int) -> None:
    """``make()``: rows of all widths without a gap between them, then with pauses; the largest sums among them."""
    rng = np.random.default_rng(seed)
    dut = make()
    rows = [(int(bits), bool(sign)) for bits in range(1, 9) for sign in (0, 1)] * 2
    pipeline = _Pipeline(dut.o_valid, dut.o)

    async def bench(ctx):
        for index, (bits, sign) in enumerate(rows):
            low = -(1 << bits - 1) if sign else 0
            extreme = index % 4 == 0
            codes = np.full(BLOCK, low or (1 << bits) - 1) if extreme else rng.integers(low, low + (1 << bits), BLOCK)
            q = np.full(BLOCK, -32767) if extreme else rng.integers(-32767, 32768, BLOCK)
            # q is read a cycle after the planes: it changes in a pause.
            ctx.set(dut.i_valid, 0)
            for _ in range(2):
                await pipeline.tick(ctx)
            ctx.set(dut.q, sum((int(v) & 0xFFFF) << 16 * j for j, v in enumerate(q)))
            ctx.set(dut.signed, sign)
            for repeat in range(2):
                for plane in reversed(range(bits)):
                    while repeat and rng.random() < 0.2:
                        ctx.set(dut.i_valid, 0)
                        await pipeline.tick(ctx)
                    ctx.set(dut.i_valid, 1)
                    ctx.set(dut.first, plane == bits - 1)
                    ctx.set(dut.last, plane == 0)
                    ctx.set(dut.plane, sum(int(code >> plane & 1) << j for j, code in enumerate(codes)))
                    if plane == 0:
                        pipeline.expect(int((codes * q).sum()), dut.latency)
                    await pipeline.tick(ctx)
        ctx.set(dut.i_valid, 0)
        await pipeline.drain(ctx, dut.latency)

    run(dut, bench, cycles=2000)


def check_scaler(make, seed: int, count: int = 200) -> None:
    """``make()``: random products with gaps, all kinds of FP16 factors, both modes; values and latency."""
    rng = np.random.default_rng(seed)
    patterns = rng.integers(0, 1 << 16, (2, count)).astype(np.uint16)
    patterns[rng.random((2, count)) < 0.2] &= 0x83FF
    patterns &= np.where(patterns & 0x7C00 == 0x7C00, 0xBFFF, 0xFFFF).astype(np.uint16)
    d, m = patterns.view(np.float16).astype(np.float64)
    dots = rng.integers(-(1 << 28) + 1, 1 << 28, count) >> rng.integers(0, 28, count)
    totals = rng.integers(-BLOCK * 32767, BLOCK * 32767 + 1, count) >> rng.integers(0, 20, count)
    cancelling = rng.random(count) < 0.3   # near-opposite products meet in the addition
    dots[cancelling], patterns[1, cancelling] = -totals[cancelling] + rng.integers(-2, 3, cancelling.sum()), \
        patterns[0, cancelling]
    d, m = patterns.view(np.float16).astype(np.float64)
    exponents = rng.integers(-78, 51, count)

    for affine in (False, True):
        dut = make()
        t = (d * dots).astype(np.float32)
        if affine:
            t = t + (m * totals).astype(np.float32)
        expected = np.ldexp(t, exponents).astype(np.float32)
        pipeline = _Pipeline(dut.o_valid, dut.o, lambda bits: float(np.uint32(bits).view(np.float32)))

        async def bench(ctx, dut=dut, affine=affine, expected=expected, pipeline=pipeline):
            ctx.set(dut.affine, affine)
            for k in range(count):
                while rng.random() < 0.2:
                    ctx.set(dut.i_valid, 0)
                    await pipeline.tick(ctx)
                ctx.set(dut.i_valid, 1)
                for name, value in (("dot", dots[k]), ("total", totals[k]), ("exponent", exponents[k]),
                                    ("scale", patterns[0, k]), ("offset", patterns[1, k])):
                    ctx.set(getattr(dut, name), int(value))
                pipeline.expect(float(expected[k]), dut.latency)
                await pipeline.tick(ctx)
            ctx.set(dut.i_valid, 0)
            await pipeline.drain(ctx, dut.latency)

        run(dut, bench, cycles=3 * count + 200)


def _execute(make, config: ChipConfig, cases: list[GemvCase], rng, stalls=(0.0, 0.0), pause: int = 0,
             late: int = 0):
    """Run ``cases`` on ``make(config)``; returns the engine and each one's cycles from acceptance to idle.

    ``stalls``: probabilities of a stall in a cycle of planes and scales. ``pause``: before every fourth plane word.
    ``late``: cycles before the first scales.
    """
    dut = make(config)
    words, planes, scales, at = {}, [], [], 3
    for case in cases:
        at = case.place(at, int(rng.integers(0, 3))) + 1
        words |= case.activations()
        planes += case.plane_words(config.lanes)
        scales += case.scale_words()
    cycles, written = [], []

    def feed(port, items, stall, pause, late):
        async def process(ctx):
            await _idle(ctx, late)
            for index, item in enumerate(items):
                await _idle(ctx, pause * (index % 4 == 1))
                while rng.random() < stall:
                    await ctx.tick()
                ctx.set(port.payload, item)
                ctx.set(port.valid, 1)
                ready = 0
                while not ready:
                    _, _, ready = await ctx.tick().sample(port.ready)
                ctx.set(port.valid, 0)
        return process

    async def write(ctx):
        while True:
            _, _, en, address, word, busy = await ctx.tick().sample(
                dut.write.en, dut.write.addr, dut.write.data, dut.busy)
            if en:
                assert busy, "a write while idle"
                written.append((address, word))

    async def bench(ctx):
        for index, case in enumerate(cases):
            ctx.set(dut.command.payload, GemvCommand.from_bits(case.command()))
            ctx.set(dut.command.valid, 1)
            assert ctx.get(dut.command.ready)
            await ctx.tick()
            ctx.set(dut.command.valid, 0)
            cycles.append(0)
            while ctx.get(dut.busy):
                cycles[-1] += 1
                await ctx.tick()
            await _idle(ctx, 2)
            expected = case.expected()
            assert len(written) == len(expected) and dict(written) == expected, f"results of case {index}"
            written.clear()

    limit = sum(4 * case.rows * case.bits * case.passes + 50 * case.passes + 300 for case in cases)
    limit += late + (pause + 2) * len(planes) + 100 * len(scales)
    feeds = feed(dut.planes, planes, stalls[0], pause, 0), feed(dut.scales, scales, stalls[1], 0, late)
    run(dut, bench, cycles=limit, background=(sram(dut.sram, words), *feeds, write))
    return dut, cycles


def check_engine(make, lanes: int, contexts: int, cases: int, seed: int) -> None:
    """``make(config)``: small random products one after the other, an empty one too, with stalls on both streams."""
    config = ChipConfig("check", lanes=lanes, contexts=contexts, acc_rows=32)
    rng = np.random.default_rng(seed)
    products = [random_case(rng, 16, contexts, 3) for _ in range(cases)]
    products[1].codes = products[1].codes[:, :0]
    _execute(make, config, products, rng, stalls=(0.3, 0.96))


def check_revisits(make, lanes: int) -> None:
    """``make(config)``: a group whose second word is late, close behind it the next one, whose words are there."""
    config = ChipConfig("check", lanes=lanes, contexts=1, acc_rows=32)
    rng = np.random.default_rng(2)
    rows, groups = 8, 4
    x = rng.standard_normal((1, groups * BLOCK)).astype(np.float32)
    case = GemvCase(1, False, ScaleMode.NONE, rng.integers(0, 2, (rows, groups, BLOCK)), None, None, x)
    _execute(make, config, [case], rng, pause=60)


def check_late_scales(make, lanes: int) -> None:
    """``make(config)``: few rows, whose first products wait together for their scales; then no sum is overtaken."""
    config = ChipConfig("check", lanes=lanes, contexts=1, acc_rows=32, coded=True)
    rng = np.random.default_rng(1)
    for rows, mode in ((4, ScaleMode.SCALE), (8, ScaleMode.SCALE), (8, ScaleMode.AFFINE), (12, ScaleMode.SCALE)):
        _execute(make, config, [grouped_case(rng, rows, 4, BLOCK, 1, 2, mode=mode)], rng, late=400)


def check_throughput(make, lanes: int) -> None:
    """``make(config)``: groups of different exponents follow each other without a lost cycle."""
    config = ChipConfig("check", lanes=lanes, contexts=1, acc_rows=64)
    rng = np.random.default_rng(1)
    rows, groups, bits = 16 * lanes, 3, 4
    codes = rng.integers(0, 1 << bits, (rows, groups, BLOCK))
    scale = rng.standard_normal((rows, groups)).astype(np.float16)
    x = rng.standard_normal((1, groups * BLOCK)) * np.repeat([1.0, 2.0 ** -9, 2.0 ** 5], BLOCK)
    case = GemvCase(bits, False, ScaleMode.AFFINE, codes, scale, scale, x.astype(np.float32))
    dut, (cycles,) = _execute(make, config, [case], rng)
    overhead = 8 + Aligner.latency + dut.latency
    assert cycles == rows // lanes * bits * groups + overhead, f"{cycles} cycles, {overhead} of them overhead"


def check_many_contexts(make, contexts: int) -> None:
    """``make(config)``: results of one lane leave as fast as the write port takes them, but no faster."""
    config = ChipConfig("check", lanes=1, contexts=contexts, acc_rows=64)
    rng = np.random.default_rng(1)
    for active in (contexts, 5):
        case = grouped_case(rng, 64, 2, BLOCK, active, 1)
        dut, (cycles,) = _execute(make, config, [case], rng)
        apart = -(-active // 4)
        aligned = 8 * active + Aligner.latency
        group = max(64, aligned)     # from its first step to the next one's
        expected = aligned + group + 63 * apart + 1 + dut.latency + active - 1
        assert cycles == expected, f"{active} active: {cycles} cycles, expected {expected}"


def check_coded_engine(make, lanes: int, contexts: int, seed: int) -> None:
    """``make(config)``: every group size, rotated or not, every scale mode, window codes, terms, a plain product."""
    config = ChipConfig("check", lanes=lanes, contexts=contexts, acc_rows=32, coded=True)
    rng = np.random.default_rng(seed)
    cases = [
        grouped_case(rng, 32, 3, 4 * BLOCK, contexts, 1, mode=ScaleMode.ROW, double=1, zero=-1),
        grouped_case(rng, 12, 2, 2 * BLOCK, 1, 3, mode=ScaleMode.AFFINE, signed=True, double=1, zero=-37, rotated=True),
        grouped_case(rng, 8, 2, BLOCK, contexts, 1, mode=ScaleMode.SCALE, double=1, zero=-1, terms=3),
        window_case(rng, Code.X2_5, 16, 1, 2 * BLOCK, contexts, rotated=True, before=4),
        random_case(rng, 16, contexts, 3),
        window_case(rng, Code.X2, 8, 2, BLOCK, 1, masked=True, mode=ScaleMode.SCALE),
        grouped_case(rng, 8, 2, 4 * BLOCK, 1, 2, mode=ScaleMode.ROW, zero=-1, rotated=True, terms=2),
        grouped_case(rng, 4, 4, BLOCK, 1, 1, mode=ScaleMode.NONE, double=1, zero=-1, terms=3),
    ]
    _execute(make, config, cases, rng, stalls=(0.85, 0.98))


def check_coded_throughput(make, lanes: int) -> None:
    """``make(config)``: groups of four blocks of one bit go a unit a cycle; groups of one wait for room, short ones for
    a place for their factors.
    """
    config = ChipConfig("check", lanes=lanes, contexts=1, acc_rows=64 * lanes, coded=True)
    rng = np.random.default_rng(1)
    for units, blocks, groups in ((40, 4, 3), (48, 1, 6), (20, 1, 6)):
        case = grouped_case(rng, units * lanes, groups, blocks * BLOCK, 1, 1, mode=ScaleMode.ROW, double=1, zero=-1)
        dut, (cycles,) = _execute(make, config, [case], rng)
        overhead = 8 * blocks * 2 + 8 + GroupAligner.latency + dut.latency
        steps = 1 + last_exit(lanes, config.acc_rows, lanes, [((blocks - 1) * units, [1] * units)] * groups)
        assert cycles == steps + overhead, f"{units} units, {blocks} blocks: {cycles} cycles, {overhead} overhead"
