import random

import pytest
from amaranth.sim import Simulator
from dojang_hdl.node.planes import KeyPacker, ValueInserter

MASK = 0xFF


async def feed(ctx, port, words, rng, stall):
    for word in words:
        while rng.random() < stall:
            await ctx.tick()
        ctx.set(port.payload, word)
        ctx.set(port.valid, 1)
        await ctx.tick().until(port.ready)
        ctx.set(port.valid, 0)


async def collect(ctx, port, count, rng, stall, got):
    for _ in range(5000):
        ready = rng.random() >= stall
        ctx.set(port.ready, ready)
        _, _, valid, payload = await ctx.tick().sample(port.valid, port.payload)
        if valid and ready:
            got.append((payload.data, payload.mask))
        if len(got) == count:
            return
    raise AssertionError(f"watchdog: {len(got)} of {count} words")


def code_words(codes):
    """SRAM words of four sign-extended codes."""
    return [sum((codes[i + j] & 0xFFFFFFFF) << 32 * j for j in range(4)) for i in range(0, len(codes), 4)]


def lane_words(rows, lanes):
    """Memory words of one unit by docs/reference/layout.md: `rows[lane]` is the list of 32 codes of a row."""
    sequence = [sum((row[j] >> plane & 1) << j for j in range(32))
                for plane in range(7, -1, -1) for row in (rows[lane] for lane in range(lanes))]
    return [sum(word << 32 * j for j, word in enumerate(sequence[i:i + 4])) for i in range(0, len(sequence), 4)]


@pytest.mark.parametrize("stall", [0.0, 0.4])
@pytest.mark.parametrize("lanes", [1, 2, 4])
def test_key_packer_writes_one_lane(lanes, stall):
    rng, dut = random.Random(lanes), KeyPacker(lanes)
    positions = [[rng.randrange(-127, 128) for _ in range(32)] for _ in range(3)]
    chosen = [rng.randrange(lanes) for _ in positions]
    got = []

    async def send(ctx):
        for codes, lane in zip(positions, chosen, strict=True):
            before = len(got)
            ctx.set(dut.lane, lane)
            await feed(ctx, dut.codes, code_words(codes), rng, stall)
            while len(got) < before + 2 * lanes:
                await ctx.tick()

    async def receive(ctx):
        await collect(ctx, dut.o, 3 * 2 * lanes, rng, stall, got)

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(send)
    simulator.add_testbench(receive)
    simulator.run()
    for index, (codes, lane) in enumerate(zip(positions, chosen, strict=True)):
        expected = lane_words({i: codes if i == lane else [0] * 32 for i in range(lanes)}, lanes)
        for (data, mask), word in zip(got[index * 2 * lanes:], expected, strict=False):
            enabled = sum(MASK << 8 * byte for byte in range(16) if mask >> byte & 1)
            assert mask == sum(0xF << 4 * j for j in range(4) if j % lanes == lane)
            assert data & enabled == word & enabled


@pytest.mark.parametrize("stall", [0.0, 0.4])
@pytest.mark.parametrize("lanes", [1, 2, 4])
def test_value_inserter_changes_one_position(lanes, stall):
    rng, dut = random.Random(10 + lanes), ValueInserter(lanes)
    elements, position = 16, rng.randrange(32)
    old = [[rng.randrange(-128, 128) for _ in range(32)] for _ in range(elements)]
    new = [rng.randrange(-127, 128) for _ in range(elements)]

    def tile(rows):
        return [word for unit in range(0, elements, lanes) for word in lane_words(rows[unit:unit + lanes], lanes)]

    changed = [[*row[:position], code, *row[position + 1:]] for row, code in zip(old, new, strict=True)]
    got = []

    async def codes(ctx):
        ctx.set(dut.position, position)
        await feed(ctx, dut.codes, code_words(new), rng, stall)

    async def words(ctx):
        await feed(ctx, dut.i, tile(old), rng, stall)

    async def receive(ctx):
        await collect(ctx, dut.o, elements * 2, rng, stall, got)

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    for testbench in (codes, words, receive):
        simulator.add_testbench(testbench)
    simulator.run()
    assert [data for data, _ in got] == tile(changed)
    assert all(mask == 0xFFFF for _, mask in got)
