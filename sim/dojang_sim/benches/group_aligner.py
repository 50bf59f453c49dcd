"""Checks of the aligner of coded chips in Amaranth's own simulator, against a model straight from numerics.md.

Each raises AssertionError unless the component given to it is right; tests call them with the real components, the
mutation tests with broken ones.
"""

from dataclasses import dataclass

import numpy as np

from ..golden.engine import BLOCK, nonfinite
from .engine_cases import pack_words
from .engine_units import block_patterns, sram
from .streams import run

__all__ = ["Run", "check_group_aligner", "check_rotation", "check_rounding", "random_run", "reference"]

TURNED = 64
LIMIT = 32767


def _rounded(r: int, s: int) -> int:
    """clamp(round_half_even(r / 2^s)) in integers."""
    whole, rest = r >> s, r - (r >> s << s)
    half = (1 << s) >> 1
    up = rest > half or (rest == half and whole & 1) if s else False
    return max(-LIMIT, min(LIMIT, whole + up))


def _hadamard() -> np.ndarray:
    return np.array([[1 - 2 * ((i & j).bit_count() & 1) for j in range(TURNED)] for i in range(TURNED)])


def reference(x: np.ndarray, rotated: bool) -> tuple[list[int], int, int]:
    """q, E and X of one group ``x``, of float32."""
    exact = x.astype(np.float64)
    counting = [abs(v) for v in exact if np.isfinite(v) and abs(v) >= 2.0 ** -64]
    exponent = max([-64, *(int(np.frexp(v)[1]) - 1 for v in counting), *(64 for v in exact if np.isinf(v))])
    exponent = min(64, exponent)
    q = []
    for v in exact:
        if np.isnan(v) or abs(v) < 2.0 ** -64:
            q.append(0)
        elif np.isinf(v):
            q.append(LIMIT if v > 0 else -LIMIT)
        else:
            q.append(int(max(-LIMIT, min(LIMIT, np.rint(np.ldexp(v, 14 - exponent))))))
    if rotated:
        r = (np.array(q).reshape(-1, TURNED) @ _hadamard()).reshape(-1).tolist()
        s = 0
        while not all(-(1 << 15 + s) <= v < 1 << 15 + s for v in r):
            s += 1
        q, exponent = [_rounded(v, s) for v in r], exponent + s - 3
    return q, exponent, sum(q)


@dataclass(frozen=True)
class Run:
    """One command: vectors [contexts, elements], log2 of the blocks of a group, and the consumer's pauses."""

    x: np.ndarray
    blocks: int = 0
    rotated: bool = False
    terms: int = 1
    longest_pause: int = 0

    @property
    def group(self) -> int:
        return BLOCK << self.blocks


def random_run(rng, contexts: int, groups: int, blocks: int, rotated: bool, **options) -> Run:
    elements = groups * (BLOCK << blocks)
    x = np.array([_vector(rng, elements, BLOCK << blocks) for _ in range(contexts)], np.float32)
    return Run(x, blocks, rotated, **options)


def _vector(rng, elements: int, group: int) -> np.ndarray:
    groups = []
    for _ in range(elements // group):
        kind = rng.integers(0, 4)
        if kind == 0:    # each block is of its own size
            x = np.concatenate([block_patterns(rng) for _ in range(group // BLOCK)])
        elif kind == 1:  # one result of a transform has all the energy, and is near a power of two
            x = np.resize(_hadamard()[rng.integers(0, TURNED)], group) * float(rng.choice([32767, 16384, -16384]))
            x[rng.integers(0, group)] -= rng.integers(0, 9)
        elif kind == 2:  # a single outlier, the rest small
            x = rng.standard_normal(group) * rng.choice([1.0, 2.0 ** -14])
            x[rng.integers(0, group)] = rng.choice([-30000, 30000, 1])
        else:            # one size, and a distribution without outliers
            x = rng.uniform(-1, 1, group) * 2.0 ** rng.integers(-70, 66)
        groups.append(x)
    return np.concatenate(groups).astype(np.float32)


def check_rotation(make, seed: int) -> None:
    """``make()``: transforms one right after the other and with gaps, words as they are; exact, in time."""
    rng = np.random.default_rng(seed)
    dut = make()
    words, expected = [], []  # rotated, index and elements of each cycle; what comes out for it, if anything certain
    for rotated in (1, 0, 1):
        for gap in (0, 0, 1, 0, 7, 16, 40, 0):
            q = rng.integers(-LIMIT, LIMIT + 1, TURNED)
            if gap == 1:
                q = _hadamard()[rng.integers(0, TURNED)] * LIMIT
            words += [(rotated, index, word) for index, word in enumerate(q.reshape(-1, 4).tolist())]
            expected += (_hadamard() @ q if rotated else q).reshape(-1, 4).tolist()
            words += [(rotated, int(rng.integers(0, 16)), rng.integers(-LIMIT, LIMIT + 1, 4).tolist())] * gap
            expected += [None] * gap
        words += [(rotated, 0, [0] * 4)] * dut.latency
        expected += [None] * dut.latency

    async def bench(ctx):
        for cycle, (rotated, index, word) in enumerate(words):
            if cycle >= dut.latency and expected[cycle - dut.latency] is not None:
                assert [ctx.get(o) for o in dut.o] == expected[cycle - dut.latency], cycle
            ctx.set(dut.rotated, rotated)
            ctx.set(dut.index, index)
            for i, element in zip(dut.i, word, strict=True):
                ctx.set(i, element)
            await ctx.tick()

    run(dut, bench, cycles=len(words) + 1)


def check_rounding(make, seed: int) -> None:
    """``make()``: random values, halves of a unit, both ends of the range; with and without gaps."""
    rng = np.random.default_rng(seed)
    dut = make()
    cycles = []
    for _ in range(1500):
        s = int(rng.integers(0, 7))
        end = 1 << 15 + s
        r = rng.integers(-end, end, 4)
        kind = rng.integers(0, 4)
        if kind == 1:
            r = (r >> s << s) + (1 << s >> 1)
        elif kind == 2:
            r = np.array([-end, end - 1, -end + rng.integers(0, 2 << s), end - 1 - rng.integers(0, 2 << s)])
        elif kind == 3:
            r = rng.integers(-100, 100, 4)
        cycles.append((int(rng.random() < 0.9), s, r.tolist()))

    async def bench(ctx):
        for cycle, (valid, s, r) in enumerate(cycles):
            if cycle >= dut.latency and cycles[cycle - dut.latency][0]:
                _, places, before = cycles[cycle - dut.latency]
                assert [ctx.get(o) for o in dut.o] == [_rounded(v, places) for v in before], (before, places)
            ctx.set(dut.i_valid, valid)
            ctx.set(dut.shift, s)
            for i, element in zip(dut.i, r, strict=True):
                ctx.set(i, element)
            await ctx.tick()

    run(dut, bench, cycles=len(cycles) + 1)


def check_group_aligner(make, contexts: int, runs: list[Run], seed: int) -> None:
    """``make(contexts)``: ``runs`` one after the other; q, E, X, the order, every latency and `nonfinite`."""
    rng = np.random.default_rng(seed)
    dut = make(contexts)
    words, places, at, cycles = {}, [], 5, 0
    for each in runs:
        active, elements = each.x.shape
        stride = elements // 4 + int(rng.integers(0, 3))
        for c, vector in enumerate(each.x):
            words |= {at + c * stride + i: word for i, word in enumerate(pack_words(vector.view(np.uint32), 32))}
        places.append((at, stride))
        at += active * stride
        cycles += 400 + each.terms * elements // BLOCK * (8 * active + 20 + each.longest_pause) + 40 * active
    flagged = 0

    def check_group(ctx, expected):
        for c, (_, exponent, total) in enumerate(expected):
            assert (ctx.get(dut.exponent[c]), ctx.get(dut.total[c])) == (exponent - 14, total), c

    async def bench(ctx):
        for (act, stride), each in zip(places, runs, strict=True):
            active, elements = each.x.shape
            groups, size = elements // each.group, 1 << each.blocks
            for port, value in ((dut.act, act), (dut.stride, stride), (dut.groups, groups), (dut.blocks, each.blocks),
                                (dut.rotated, each.rotated), (dut.terms, each.terms - 1), (dut.contexts, active - 1)):
                ctx.set(port, value)
            ctx.set(dut.start, 1)
            await ctx.tick()
            ctx.set(dut.start, 0)
            due = 8 * size * (active + 1) + 8 * active + dut.latency
            kept = []
            for number in range(groups):
                expected = [reference(x.reshape(groups, -1)[number], each.rotated) for x in each.x]
                for step in range(each.terms * size):
                    block = step % size
                    for waited in range(1, due):
                        assert not ctx.get(dut.ready), f"ready after {waited} cycles, expected {due}"
                        if waited <= 8 or block != size - 1:
                            check_group(ctx, kept)
                        await ctx.tick()
                    assert ctx.get(dut.ready), f"not ready after {due} cycles"
                    for _ in range(rng.integers(0, each.longest_pause + 1)):
                        await ctx.tick()
                    if block == size - 1:
                        kept = expected
                    check_group(ctx, kept)
                    ctx.set(dut.take, 1)
                    await ctx.tick()
                    ctx.set(dut.take, 0)
                    for c, (q, _, _) in enumerate(expected):
                        bits = ctx.get(dut.q[c])
                        got = [(bits >> 16 * j & 0xFFFF ^ 0x8000) - 0x8000 for j in range(BLOCK)]
                        assert got == q[block * BLOCK:][:BLOCK], (c, number, block)
                    due = 8 * active + dut.interval
            for _ in range(rng.choice([0, dut.latency + 8 * contexts])):
                check_group(ctx, kept)
                await ctx.tick()
            assert not ctx.get(dut.ready), "a block after the last"
        assert bool(flagged) == any(nonfinite(each.x) for each in runs)

    async def watch(ctx):
        nonlocal flagged
        while True:
            _, _, pulse = await ctx.tick().sample(dut.nonfinite)
            flagged += pulse

    run(dut, bench, cycles=cycles, background=(sram(dut.sram, words), watch))
