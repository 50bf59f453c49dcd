"""Block memory against a list: latency, enables of reads and of parts of a word, ports apart from each other."""

import random

from dojang_hdl.block_memory import BlockMemory
from dojang_sim.benches.streams import run

WIDTH, DEPTH, READERS, GRANULE = 16, 8, 2, 4


def test_reads_and_partial_writes():
    dut, rng = BlockMemory(WIDTH, DEPTH, READERS, GRANULE), random.Random(2)
    words, seen = [0] * DEPTH, [0] * READERS

    async def bench(ctx):
        for _ in range(400):
            addr, value, enable = rng.randrange(DEPTH), rng.getrandbits(WIDTH), rng.getrandbits(WIDTH // GRANULE)
            ctx.set(dut.write.addr, addr)
            ctx.set(dut.write.data, value)
            ctx.set(dut.write.en, enable)
            for index, port in enumerate(dut.read):
                read, taken = rng.choice([at for at in range(DEPTH) if at != addr]), rng.random() < 0.7
                ctx.set(port.addr, read)
                ctx.set(port.en, taken)
                if taken:
                    seen[index] = words[read]
            await ctx.tick()
            mask = sum(0xF << GRANULE * part for part in range(WIDTH // GRANULE) if enable >> part & 1)
            words[addr] = (words[addr] & ~mask) | (value & mask)
            assert [ctx.get(port.data) for port in dut.read] == seen

    run(dut, bench, cycles=500)
