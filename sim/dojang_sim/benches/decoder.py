"""Checks of the window decoder in Amaranth's own simulator, for tests and mutation tests."""

from dataclasses import dataclass
from random import Random

import numpy as np
from dojang_hdl.config import BLOCK, WORD_BITS
from dojang_hdl.isa import Code
from dojang_hdl.window_code import CODES

from ..golden.window import decode, pack_payload
from .streams import run

__all__ = ["Command", "check_decoder", "random_command"]

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
        """At full rate, without the warm-up parts."""
        if self.code == Code.PLAIN:
            return len(self.planes)
        return self.rows // lanes * self.blocks * max(self.bits, lanes)


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


def check_decoder(make, lanes: int, commands: list[Command], stalls: tuple[float, float], seed: int) -> list[int]:
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
            planes, cycle, first = [], 0, 0
            while len(planes) < len(command.planes):
                ready = random.random() >= stalls[1]
                ctx.set(dut.o.ready, ready)
                _, _, valid, payload = await ctx.tick().sample(dut.o.valid, dut.o.payload)
                cycle += 1
                if valid and ready:
                    first = first or cycle
                    planes.append(payload)
                    assert payload == command.planes[len(planes) - 1], f"plane {len(planes) - 1} of {command.fields}"
            spans.append(cycle - first + 1)
            ctx.set(dut.o.ready, 1)
            for _ in range(random.choice((0, 0, 1, 12))):
                _, _, valid = await ctx.tick().sample(dut.o.valid)
                assert not valid, f"a plane after the last of {command.fields}"
            assert len(taken) <= offered, f"a word of the command after {command.fields} was taken"
        for _ in range(2):
            await ctx.tick()
        assert len(taken) == offered, "words are left"

    work = sum(len(command.planes) + len(command.words) + 2 * command.rows * command.blocks for command in commands)
    run(dut, bench, cycles=int(work / (1 - max(stalls)) * 3) + 100 * len(commands) + 500, background=(feed,))
    return spans
