"""Checks of the window decoder in Amaranth's own simulator, for tests and mutation tests."""

from dataclasses import dataclass
from functools import reduce
from operator import xor
from random import Random

import numpy as np
from amaranth.hdl import Module, ResetInserter, Signal
from dojang_hdl.config import BLOCK, WORD_BITS
from dojang_hdl.isa import Code
from dojang_hdl.window_code import CODES

from ..golden.window import decode, pack_payload
from .streams import run

__all__ = ["Command", "check_codes", "check_decoder", "check_full", "check_latency", "check_parities", "check_rate",
           "check_ready", "check_reset", "random_command"]

WORD_BYTES = WORD_BITS // 8


@dataclass
class Command:
    """What the decoder is told, the words of its stream, and the planes it must give."""

    code: Code
    masked: bool
    rows: int
    blocks: int
    bits: int
    words: list[int]
    planes: list[int]

    @property
    def fields(self) -> dict[str, int]:
        return {name: int(getattr(self, name)) for name in ("code", "masked", "rows", "blocks", "bits")}

    def cycles(self, lanes: int) -> int:
        """From the first plane to the last one, while nothing stalls."""
        if self.code == Code.PLAIN:
            return len(self.planes)
        form = CODES[self.code]
        # A word beside which no row can be decoded; most come while rows wait if lanes are fewer.
        alone = self.masked and (self.code == Code.X2_5 or (lanes == 4 and self.code in (Code.X2, Code.X4)))
        at_once = 2 if self.code == Code.X2 and lanes == 4 else 1
        unit = max(self.bits, lanes // at_once)
        block = max(unit, (form.lead * form.steps_rows + lanes) // at_once + alone) - unit
        return (self.rows // lanes * self.blocks - 1) * unit + self.bits + (self.blocks - 1) * block


def random_command(code: Code, masked: bool, rows: int, blocks: int, bits: int, lanes: int, rng) -> Command:
    """Rows in the middle of a matrix of random symbols; ``bits`` counts with PLAIN only."""
    if code == Code.PLAIN:
        words = rng.integers(0, 256, (rows // 4 * bits * blocks, WORD_BYTES), np.uint8)
        planes = words.reshape(-1, 4 * lanes)
        return Command(code, False, rows, blocks, bits, _numbers(words), _numbers(planes))
    form = CODES[code]
    before = 4 * int(rng.integers(0, 4))
    matrix = before + rows + 4
    symbols = rng.integers(0, 1 << form.step_bits, (matrix // form.steps_rows, blocks, BLOCK), np.uint8)
    mask = rng.integers(0, 2, (matrix, blocks, BLOCK)) if masked else None
    words = pack_payload(form, symbols, mask, before, rows).reshape(-1, WORD_BYTES)
    values = decode(form, symbols)[before:before + rows]
    bits = form.planes
    if mask is not None:
        values, bits = (2 * values - form.maximum) * mask[before:before + rows], bits + 1
    units = values.transpose(1, 0, 2).reshape(-1, lanes, BLOCK)
    planes = np.stack([units >> plane & 1 for plane in reversed(range(bits))], axis=1)
    packed = np.packbits(planes.astype(np.uint8), axis=-1, bitorder="little")
    return Command(code, masked, rows, blocks, bits, _numbers(words), _numbers(packed.reshape(-1, 4 * lanes)))


def _numbers(words: np.ndarray) -> list[int]:
    return [int.from_bytes(word.tobytes(), "little") for word in words]


async def _issue(ctx, dut, command: Command):
    for name, value in command.fields.items():
        ctx.set(getattr(dut, name), value)
    ctx.set(dut.start, 1)
    await ctx.tick()
    ctx.set(dut.start, 0)


def _feed(dut, words, random: Random, stall: float):
    """Offers ``words``; returns the process and a list that grows with the words taken."""
    taken = []

    async def process(ctx):
        for word in words:
            while random.random() < stall:
                await ctx.tick()
            ctx.set(dut.i.payload, word)
            ctx.set(dut.i.valid, 1)
            ready = 0
            while not ready:
                _, _, ready = await ctx.tick().sample(dut.i.ready)
            ctx.set(dut.i.valid, 0)
            taken.append(word)
    return process, taken


def check_decoder(make, commands: list[Command], stalls: tuple[float, float], seed: int) -> list[int]:
    """``make()``: commands back to back, each one's words offered at once after the one before's.

    Returns each one's cycles from its first plane to its last one, both included.
    """
    dut = make()
    random = Random(seed)
    feed, taken = _feed(dut, [word for command in commands for word in command.words], Random(seed + 1), stalls[0])
    spans, offered = [], 0

    async def bench(ctx):
        nonlocal offered
        for command in commands:
            await _issue(ctx, dut, command)
            offered += len(command.words)
            count, cycle, first = 0, 0, 0
            while count < len(command.planes):
                ready = random.random() >= stalls[1]
                ctx.set(dut.o.ready, ready)
                _, _, valid, payload = await ctx.tick().sample(dut.o.valid, dut.o.payload)
                cycle += 1
                if valid and ready:
                    first = first or cycle
                    assert payload == command.planes[count], f"plane {count} of {command.fields}"
                    count += 1
            spans.append(cycle - first + 1)
            assert len(taken) == offered, f"{len(taken)} words taken, expected {offered} after {command.fields}"
            ctx.set(dut.o.ready, 1)
            for _ in range(random.choice((0, 0, 1, 12))):
                _, _, valid = await ctx.tick().sample(dut.o.valid)
                assert not valid, f"a plane after the last of {command.fields}"
            assert len(taken) == offered, f"a word after those of {command.fields} was taken"

    work = sum(len(command.planes) + len(command.words) + 2 * command.rows * command.blocks for command in commands)
    run(dut, bench, cycles=int(work / (1 - max(stalls)) * 3) + 100 * len(commands) + 500, background=(feed,))
    return spans


def _kinds(codes) -> list[tuple[Code, bool]]:
    return [(Code.PLAIN, False), *((code, masked) for code in sorted(codes) for masked in (False, True))]


def check_codes(make, lanes: int, codes, stalls: tuple[float, float], seed: int) -> None:
    """``make()``: every one of ``codes`` after every other one and after PLAIN, in sizes small and odd."""
    rng = np.random.default_rng(seed)
    kinds = _kinds(codes) * 2
    order = [kinds[i] for i in rng.permutation(len(kinds))] + [(Code.PLAIN, False), *_kinds(codes)]
    sizes = [(4, 3), (8, 1), (12, 2), (20, 1), (16, 2), (4, 1)]
    commands = [random_command(code, masked, *sizes[i % len(sizes)], int(rng.integers(1, 9)), lanes, rng)
                for i, (code, masked) in enumerate(order)]
    commands += [random_command(Code.PLAIN, False, rows, 5, 1, lanes, rng) for rows in (4, 8, 12)]
    check_decoder(make, commands, stalls, seed)


def check_rate(make, lanes: int, codes) -> None:
    """``make()``: no cycle is lost while nothing stalls; the warm-up parts cost what they must."""
    rng = np.random.default_rng(lanes)
    for code, masked in _kinds(codes):
        commands = [random_command(code, masked, rows, blocks, 5, lanes, rng)
                    for rows, blocks in ((4, 1), (32, 1), (16, 3), (12, 3), (4, 2))]
        spans = check_decoder(make, commands, (0, 0), 1)
        expected = [command.cycles(lanes) for command in commands]
        assert spans == expected, f"{code.name}, masked {masked}: {spans} cycles, expected {expected}"


def check_full(make, lanes: int) -> None:
    """``make()``: more planes than the queue holds before the first ones are taken, of every kind."""
    rng = np.random.default_rng(lanes)
    commands = [random_command(code, masked, 64, 8 // lanes, 4, lanes, rng)
                for code, masked in ((Code.X4, True), (Code.PLAIN, False), (Code.X2, True))]
    check_decoder(make, commands, (0, 0.9), 1)


def check_latency(make, lanes: int) -> None:
    """``make()``: the first plane of PLAIN, and of X4, a unit's last row of which enters with a word."""
    rng = np.random.default_rng(lanes)
    dut = make()
    cases = [(random_command(Code.PLAIN, False, 4, 1, 1, lanes, rng), 0, dut.plain_latency),
             (random_command(Code.X4, False, 4, 1, 0, lanes, rng), CODES[Code.X4].lead + lanes - 1, dut.latency)]

    async def bench(ctx):
        for command, last, latency in cases:
            await _issue(ctx, dut, command)
            taken = cycle = first = 0
            offered = None
            while taken < len(command.words) or not first or cycle < first + 60:
                if taken == last and offered is None:
                    offered = cycle
                ctx.set(dut.i.valid, taken < len(command.words))
                ctx.set(dut.i.payload, command.words[min(taken, len(command.words) - 1)])
                ctx.set(dut.o.ready, 1)
                _, _, valid, ready, got = await ctx.tick().sample(dut.i.valid, dut.i.ready, dut.o.valid)
                if got and not first:
                    first = cycle
                taken += valid and ready
                cycle += 1
            waited = first - (offered or 0)
            assert waited == latency, f"{waited} cycles with {command.code.name}, expected {latency}"

    run(dut, bench, cycles=400)


def check_ready(make, lanes: int, codes) -> None:
    """``make()``: `i.ready` does not change within a cycle, whatever is offered and whether the planes are taken."""
    rng = np.random.default_rng(lanes)
    dut = make()
    commands = [random_command(code, masked, 12, 1, 3, lanes, rng) for code, masked in _kinds(codes)]

    async def bench(ctx):
        for command in commands:
            await _issue(ctx, dut, command)
            words, count = list(command.words), 0
            while count < len(command.planes):
                seen = set()
                for valid in (0, 1):
                    for taken in (0, 1):
                        ctx.set(dut.i.valid, valid)
                        ctx.set(dut.o.ready, taken)
                        ctx.set(dut.i.payload, words[0] if words else 0)
                        seen.add(ctx.get(dut.i.ready))
                assert len(seen) == 1, f"ready depends on more than registers in {command.fields}"
                ctx.set(dut.i.valid, bool(words) and rng.random() < 0.7)
                ctx.set(dut.o.ready, rng.random() < 0.7)
                _, _, put, full, got, taken = await ctx.tick().sample(
                    dut.i.valid, dut.i.ready, dut.o.valid, dut.o.ready)
                if put and full:
                    words.pop(0)
                count += got and taken

    run(dut, bench, cycles=20000)


def check_reset(make, lanes: int, codes) -> None:
    """``make()``: a reset in the middle of any command, and the next one is right."""
    rng = np.random.default_rng(lanes)
    inner, reset = make(), Signal()
    kinds = _kinds(codes)
    broken = [random_command(code, masked, 24, 1, 3, lanes, rng) for code, masked in kinds]
    whole = [random_command(*kinds[int(rng.integers(len(kinds)))], 12, 1, 3, lanes, rng) for _ in kinds]

    async def bench(ctx):
        for command, following in zip(broken, whole, strict=True):
            await _issue(ctx, inner, command)
            for number in range(int(rng.integers(8, 30))):
                ctx.set(inner.i.valid, 1)
                ctx.set(inner.i.payload, command.words[number % len(command.words)])
                ctx.set(inner.o.ready, rng.random() < 0.6)
                await ctx.tick()
            ctx.set(inner.i.valid, 0)
            ctx.set(reset, 1)
            await ctx.tick()
            ctx.set(reset, 0)
            ctx.set(inner.o.ready, 1)
            assert not ctx.get(inner.o.valid) and not ctx.get(inner.i.ready), "not idle after a reset"
            await _issue(ctx, inner, following)
            words, planes = list(following.words), list(following.planes)
            while planes:
                ctx.set(inner.i.valid, bool(words))
                ctx.set(inner.i.payload, words[0] if words else 0)
                _, _, full, got, plane = await ctx.tick().sample(inner.i.ready, inner.o.valid, inner.o.payload)
                if words and full:
                    words.pop(0)
                if got:
                    assert plane == planes.pop(0), f"after a reset in {command.fields}"

    run(ResetInserter(reset)(inner), bench, cycles=400 * len(kinds))


def check_parities(parities) -> None:
    """``parities(sums, values)``: of sums that have many terms in common, or one term only."""
    rng = Random(1)
    values = {f"value{i}": Signal(8, name=f"value{i}") for i in range(20)}
    sums = {f"sum{i}": set(rng.sample(sorted(values), count))
            for i, count in enumerate((1, 2, 3, 4, 5, 7, 12, 13, 15, 18, 20, 20))}
    given = {name: set(terms) for name, terms in sums.items()}
    dut = Module()
    dut.d.sync += Signal().eq(0)
    results = parities(sums, values)
    assert sums == given and results.keys() == sums.keys(), "what was given has changed"

    async def bench(ctx):
        for _ in range(20):
            numbers = {name: rng.getrandbits(8) for name in values}
            for name, number in numbers.items():
                ctx.set(values[name], number)
            for name, terms in sums.items():
                expected = reduce(xor, (numbers[term] for term in terms))
                assert ctx.get(results[name]) == expected, f"{name} of {sorted(terms)}"
            await ctx.tick()

    run(dut, bench, cycles=100)
