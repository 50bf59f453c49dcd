import random

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.sim import Simulator
from dojang_hdl.config import ChipConfig
from dojang_hdl.node.source import SramSource
from dojang_hdl.node.sram import Sram

WORDS = 64


class _Bench(wiring.Component):
    def __init__(self):
        self.source, self.sram = SramSource(), Sram(ChipConfig("t", sram_words=WORDS))
        super().__init__({})

    def elaborate(self, platform):
        m = Module()
        m.submodules.source, m.submodules.sram = self.source, self.sram
        wiring.connect(m, self.source.sram, self.sram.read[0])
        return m


@pytest.mark.parametrize("stall", [0.0, 0.5])
def test_words_in_order_at_full_rate(stall):
    bench, rng = _Bench(), random.Random(1)
    content = {bank: [rng.getrandbits(128) for _ in range(WORDS)] for bank in (0, 0x8000)}
    runs = [(0, 20), (0x8000 + 5, 1), (3, 0), (0x8000, WORDS), (60, 8)]
    expected = [content[addr & 0x8000][(addr + i) % WORDS] for addr, n in runs for i in range(n)]
    got, cycles = [], 0

    async def fill_and_command(ctx):
        for bank, port in ((0, bench.sram.local), (0x8000, bench.sram.rx)):
            for i, word in enumerate(content[bank]):
                ctx.set(port.addr, bank + i)
                ctx.set(port.data, word)
                ctx.set(port.mask, 0xF)
                ctx.set(port.en, 1)
                await ctx.tick()
            ctx.set(port.en, 0)
        for addr, n in runs:
            ctx.set(bench.source.command.payload, {"addr": addr, "words": n})
            ctx.set(bench.source.command.valid, 1)
            await ctx.tick().until(bench.source.command.ready)
            ctx.set(bench.source.command.valid, 0)

    async def take(ctx):
        nonlocal cycles
        for _ in range(3000):
            ready = rng.random() >= stall
            ctx.set(bench.source.o.ready, ready)
            _, _, valid, payload = await ctx.tick().sample(bench.source.o.valid, bench.source.o.payload)
            cycles += bool(got)
            if valid and ready:
                got.append(payload)
            if len(got) == len(expected):
                break
        ctx.set(bench.source.o.ready, 1)
        await ctx.tick().repeat(10)
        assert ctx.get(bench.source.idle) and not ctx.get(bench.source.o.valid)

    simulator = Simulator(bench)
    simulator.add_clock(1e-6)
    simulator.add_testbench(fill_and_command)
    simulator.add_testbench(take)
    simulator.run()
    assert got == expected
    if not stall:
        assert cycles <= len(expected) + 6 * len(runs)


def test_element_mask_writes_only_its_lanes():
    sram = Sram(ChipConfig("t", sram_words=WORDS))

    async def bench(ctx):
        async def write(port, addr, data, mask):
            ctx.set(port.addr, addr)
            ctx.set(port.data, data)
            ctx.set(port.mask, mask)
            ctx.set(port.en, 1)
            await ctx.tick()
            ctx.set(port.en, 0)

        await write(sram.local, 7, (1 << 128) - 1, 0xF)
        await write(sram.rx, 7, 0, 0xF)
        await write(sram.local, 7, 0, 0b0101)
        ctx.set(sram.read[0].addr, 7)
        ctx.set(sram.read[1].addr, 0x8007)
        await ctx.tick().repeat(2)
        ones = (1 << 32) - 1
        assert ctx.get(sram.read[0].data) == ones << 32 | ones << 96
        assert ctx.get(sram.read[1].data) == 0

    simulator = Simulator(sram)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
