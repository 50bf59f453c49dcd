import random

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In
from dojang_hdl.memory import MemoryPort
from dojang_hdl.memory_arbiter import MemoryArbiter
from dojang_sim.benches.streams import receive, run, send
from dojang_sim.memory import SramMemory

AREA = 16
FULL = 0xFFFF


class Shared(wiring.Component):
    def __init__(self, count):
        super().__init__({"masters": In(MemoryPort()).array(count)})
        self.memory = SramMemory(64, latency=6)
        self.arbiter = MemoryArbiter(count)

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory, m.submodules.arbiter = self.memory, self.arbiter
        wiring.connect(m, self.arbiter.memory, self.memory.port)
        for outer, inner in zip(self.masters, self.arbiter.masters, strict=True):
            wiring.connect(m, wiring.flipped(outer), inner)
        return m


def traffic(rng, base, count):
    """Bursts of one master in its own area, written first: commands, write words, expected reads."""
    contents = [rng.getrandbits(128) for _ in range(AREA)]
    commands = [{"write": 1, "addr": base, "length": AREA}]
    writes = [{"data": word, "mask": FULL} for word in contents]
    reads = []
    for _ in range(count):
        write = rng.randrange(2)
        addr = rng.randrange(AREA)
        length = rng.randint(1, AREA - addr)
        commands.append({"write": write, "addr": base + addr, "length": length})
        for index in range(addr, addr + length):
            if write:
                contents[index] = rng.getrandbits(128)
                writes.append({"data": contents[index], "mask": FULL})
            else:
                reads.append(contents[index])
    return commands, writes, reads


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("stall", [0.0, 0.4])
def test_words_belong_to_their_master(count, stall):
    dut = Shared(count)
    benches = []
    for index in range(count):
        rng = random.Random(f"{count} {stall} {index}")
        port = dut.masters[index]
        commands, writes, reads = traffic(rng, AREA * index, 25)

        async def command(ctx, port=port, rng=rng, commands=commands):
            await send(ctx, port.command, commands, rng, stall)

        async def write(ctx, port=port, rng=rng, writes=writes):
            await send(ctx, port.write, writes, rng, stall)

        async def read(ctx, port=port, rng=rng, reads=reads):
            assert await receive(ctx, port.read, len(reads), rng, stall) == reads

        benches += [command, write, read]
    run(dut, *benches, cycles=6000)


def test_priority_without_starvation():
    """Master 0 keeps asking for single words; two others that ask as well each get every 18th grant."""
    dut = Shared(3)
    grants = []

    def asking(index, count):
        async def bench(ctx):
            await send(ctx, dut.masters[index].command, [{"addr": index, "length": 1}] * count)
        return bench

    async def drain(ctx):
        for port in dut.masters:
            ctx.set(port.read.ready, 1)
        while len(grants) < 180:
            for index, port in enumerate(dut.masters):
                if ctx.get(port.read.valid):
                    grants.append(index)
            await ctx.tick()

    run(dut, drain, cycles=400, background=[asking(0, 400), asking(1, 400), asking(2, 400)])
    shares = [grants.count(index) for index in range(3)]
    assert shares == [160, 10, 10]
    assert all(1 in grants[start:start + 18] and 2 in grants[start:start + 18] for start in range(160))


def test_full_throughput():
    """Two masters' bursts follow each other without a bubble."""
    dut = Shared(2)
    words = []

    async def ask(ctx):
        for index in (1, 0, 1, 0):
            await send(ctx, dut.masters[index].command, [{"addr": 0, "length": 16}] * 2)

    async def drain(ctx):
        started = 0
        cycles = 0
        for port in dut.masters:
            ctx.set(port.read.ready, 1)
        while len(words) < 128:
            valid = [ctx.get(port.read.valid) for port in dut.masters]
            assert sum(valid) <= 1
            words.extend(index for index in range(2) if valid[index])
            started |= sum(valid)
            await ctx.tick()
            cycles += started
        assert cycles == 128

    run(dut, drain, cycles=400, background=[ask])
