"""A guard between a chip that knows what it should read and a memory that errs."""

import random

import numpy as np
from amaranth.hdl import ResetInserter, Signal
from dojang.compile.protection import Protection
from dojang_hdl.counters import FIRST_GUARD_COUNTER, GUARD_COUNTERS
from dojang_hdl.guard.guard import Guard
from dojang_hdl.guard.layout import (
    CLUSTER,
    CONTROL,
    FAULT,
    FAULT_KINDS,
    PHYSICAL_WINDOW,
    REGISTER_WINDOW,
    SHORT,
    Register,
)
from dojang_hdl.isa import pack, unpack
from dojang_sim.benches.guard_agents import Chip, ErringMemory, simulate
from dojang_sim.benches.mutation import mutate
from dojang_sim.benches.streams import run

FULL = 0xFFFF
CRC_BIT = 72    # of a header


def broken(modules, old, new):
    """A `Guard` with ``old`` replaced in the first of ``modules``, and with those that use it made of it."""
    module, *users = (f"dojang_hdl.guard.{module}" for module in modules)
    return mutate(module, old, new, users).Guard


class Bench:
    """Tiles and clusters with random contents. The last tile of the first region is short, the one behind it unused.

    ``flips``: wrong bits so far that can be corrected, and that cannot. A block has the latter once at most.
    """

    def __init__(self, tile=16, seed=1, patrol=0, stall=0.2, guard=Guard, clusters=80, regions=6,
                 control_window=False, entries=4, latency=range(10, 40)):
        self.rng, self.patrol, self.tile = random.Random(seed), patrol, tile
        self.dut, self.reset = guard(tile, entries, control_window=control_window), Signal()
        self.regions = [(0, (regions - 2) * tile + (5 if seed % 2 else 11)), (regions * tile, 2 * tile)]
        self.protection = Protection((regions + 2) * tile, (regions + 2) * tile + clusters * CLUSTER, tile)
        contents = np.random.default_rng(seed).integers(0, 256, self.protection.end * 16, dtype=np.uint8)
        self.chip = Chip(self.integers(contents), self.rng)
        self.memory = ErringMemory(self.stored(), self.rng, stall, latency)
        self.flips = [0, 0]
        self._hit = set()
        self.raw = []           # what is to be read from the memory as it is

    @staticmethod
    def integers(array):
        return [int.from_bytes(word.tobytes(), "little") for word in array.reshape(-1, 16)]

    def stored(self):
        """The shadow as it should be in the memory."""
        contents = np.frombuffer(b"".join(word.to_bytes(16, "little") for word in self.chip.shadow), np.uint8)
        memory = np.zeros(self.protection.physical_words * 16, np.uint8)
        self.protection.store(memory, contents, self.regions)
        return self.integers(memory)

    def physical(self, word):
        return int(self.protection.physical(word))

    def control(self):
        self.chip.register(Register.CONTROL, pack(CONTROL, {
            "tiles_end": self.protection.tiles_end, "end": self.protection.end, "patrol": self.patrol}))

    def run(self, scenario, cycles=2_000_000, background=()):
        async def bench(ctx):
            ctx.set(self.dut.status.enable, 1)
            self.control()
            await scenario(ctx)

        run(ResetInserter(self.reset)(self.dut), bench, cycles=cycles, background=background)

    async def drain(self, ctx, cycles=6000, until=None):
        """A cluster that the patrol corrects late is looked for in the verifier's whole table: 4,100 cycles."""
        await simulate(ctx, self.dut, self.chip, self.memory, cycles, until)

    def enough(self, commands, longest):
        """Cycles for traffic, and for going through the verifier's table some times and before every raw read."""
        return 20 * commands * longest + 5000 * (4 + len(self.raw))

    async def registers(self, ctx):
        """FAULT as (kind, address) or None; the counters that are not 0."""
        self.chip.values.clear()
        self.chip.read(REGISTER_WINDOW | Register.FAULT)
        await self.drain(ctx)
        fault = unpack(FAULT, self.chip.values.pop())
        assert fault["error"] == ctx.get(self.dut.status.error)
        counters = {}
        for number, name in enumerate(GUARD_COUNTERS):
            ctx.set(self.dut.status.address, FIRST_GUARD_COUNTER + number)
            await ctx.tick()
            counters[name] = ctx.get(self.dut.status.data)
        return ((FAULT_KINDS[fault["kind"]], fault["address"]) if fault["error"] else None,
                {name: count for name, count in counters.items() if count})

    def random_read(self, longest):
        """Tiles from anywhere to the end of one or of the region, or a few words of whole ones; clusters."""
        rng = self.rng
        if rng.random() < 0.2:
            start, words = rng.choice(self.regions)
            length = rng.randint(1, SHORT)
            self.chip.read(start + rng.randrange(words // self.tile * self.tile - length + 1), length)
        elif rng.random() < 0.5:
            start, words = rng.choice(self.regions)
            addr = start + rng.choice((0, rng.randrange(words), words - 1))
            ends = [*range(start + self.tile, start + words, self.tile), start + words]
            if words % self.tile > SHORT:   # of a part of a tile, more than few
                addr = min(addr, start + words - SHORT - 1)
            most = addr + max(longest, self.tile)
            self.chip.read(addr, rng.choice([end for end in ends if addr < end <= most]) - addr)
        else:
            addr = rng.randrange(self.protection.tiles_end, self.protection.end)
            self.chip.read(addr, min(rng.choice((1, 2, 8, 20, longest)), self.protection.end - addr))

    def random_write(self, longest):
        """Anywhere or, one in two, to the same few clusters; sometimes a whole one."""
        rng, tiles_end = self.rng, self.protection.tiles_end
        addr = tiles_end + rng.choice((rng.randrange(self.protection.end - tiles_end), rng.randrange(60, 100)))
        length = min(rng.choice((1, 1, 1, 2, 8, longest)), self.protection.end - addr)
        if rng.random() < 0.3:
            addr, length = addr // CLUSTER * CLUSTER, CLUSTER
        self.chip.write(addr, [(rng.getrandbits(128), FULL if rng.random() < 0.7 else rng.getrandbits(16))
                               for _ in range(length)])

    def traffic(self, count, longest=20, raw=0.0):
        """``raw``: probability of a word read as it is in the memory."""
        for _ in range(count):
            if self.rng.random() < raw:
                addr = self.rng.randrange(self.protection.tiles_end, self.protection.end)
                self.chip.read(PHYSICAL_WINDOW | self.physical(addr))
                self.raw.append(self.chip.shadow[addr])
            self.rng.choice((self.random_read, self.random_write))(longest)

    def check(self):
        assert not self.chip.wrong
        assert self.chip.values == self.raw
        assert self.memory.words == self.stored()

    def one_wrong_bit(self, chance):
        """Wrong bits that can be corrected: in data words of clusters, the CRC of clusters and its check bits."""
        base = self.physical(self.protection.tiles_end) - 1

        def flip(addr, word):
            if addr < base or self.rng.random() >= chance:
                return word
            self.flips[0] += 1
            header = (addr - base) % (CLUSTER + 1) == 0
            return word ^ 1 << (self.rng.randrange(CRC_BIT, CRC_BIT + 41) if header else self.rng.randrange(128))

        return flip

    def any_wrong_bits(self, chance):
        """Those, and now and then more wrong bits than can be corrected, anywhere; not when they are read again."""
        base, harmless = self.physical(self.protection.tiles_end) - 1, self.one_wrong_bit(chance)

        def flip(addr, word):
            block = addr // (self.tile + 1) if addr < base else base + (addr - base) // (CLUSTER + 1)
            if self.rng.random() < chance / 3 and block not in self._hit:
                self._hit.add(block)
                self.flips[1] += 1
                return word ^ sum(1 << bit for bit in self.rng.sample(range(CRC_BIT + 41), self.rng.choice((2, 2, 3))))
            return word if block in self._hit else harmless(addr, word)

        return flip
