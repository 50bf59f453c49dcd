"""The whole guard between a chip and a memory that errs."""

import random

import numpy as np
import pytest
from amaranth.hdl import ResetInserter, Signal
from dojang.compile.protection import Protection
from dojang_hdl.counters import FIRST_GUARD_COUNTER, GUARD_COUNTERS
from dojang_hdl.guard.guard import Guard
from dojang_hdl.guard.layout import (
    CLUSTER,
    CONTROL,
    FAULT,
    FAULT_KINDS,
    INJECT,
    PHYSICAL_WINDOW,
    REGISTER_WINDOW,
    Register,
)
from dojang_hdl.guard.verifier import Verifier
from dojang_hdl.isa import pack, unpack
from dojang_hdl.memory_control import CONTROL_WINDOW
from dojang_sim.benches.guard_agents import Chip, ErringMemory, simulate
from dojang_sim.benches.mutation import mutate
from dojang_sim.benches.streams import run

FULL = 0xFFFF
CRC_BIT = 72    # of a header

PLACES = 32


@pytest.fixture(autouse=True)
def few_places(monkeypatch, request):
    """Clusters make way for each other in the verifier's table, and it is gone through in little time."""
    if "slow" not in request.keywords:
        monkeypatch.setattr(Verifier.__init__, "__defaults__", (PLACES,))


class Bench:
    """Tiles and clusters with random contents. The last tile of the first region is short, the one behind it unused.

    ``flips``: wrong bits so far that can be corrected, and that cannot. A block has the latter once at most.
    """

    def __init__(self, tile=16, seed=1, patrol=0, stall=0.2, guard=Guard, clusters=80, regions=6,
                 control_window=False):
        self.rng, self.patrol, self.tile = random.Random(seed), patrol, tile
        self.dut, self.reset = guard(tile, control_window=control_window), Signal()
        self.regions = [(0, (regions - 2) * tile + 5), (regions * tile, 2 * tile)]
        self.protection = Protection((regions + 2) * tile, (regions + 2) * tile + clusters * CLUSTER, tile)
        contents = np.random.default_rng(seed).integers(0, 256, self.protection.end * 16, dtype=np.uint8)
        self.chip = Chip(self.integers(contents), self.rng)
        self.memory = ErringMemory(self.stored(), self.rng, stall)
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

    def run(self, scenario, cycles=2_000_000):
        async def bench(ctx):
            ctx.set(self.dut.status.enable, 1)
            self.control()
            await scenario(ctx)

        run(ResetInserter(self.reset)(self.dut), bench, cycles=cycles)

    async def drain(self, ctx, cycles=4000, until=None):
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
        """Tiles from anywhere to the end of one or of the region; clusters."""
        rng = self.rng
        if rng.random() < 0.5:
            start, words = rng.choice(self.regions)
            addr = start + rng.choice((0, rng.randrange(words), words - 1))
            ends = [*range(start + self.tile, start + words, self.tile), start + words]
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


def no_errors(guard=Guard, commands=18, longest=30, raw=0.08, **options):
    """Whatever stalls, and with a patrol that never pauses."""
    bench = Bench(guard=guard, **{"patrol": 1, **options})

    async def scenario(ctx):
        bench.traffic(commands, longest, raw)
        await bench.drain(ctx, bench.enough(commands, longest))
        bench.check()
        fault, counters = await bench.registers(ctx)
        assert fault is None and counters.keys() == {"merged", "verified"} | ({"patrolled"} if bench.patrol else set())

    bench.run(scenario)


def corrected(guard=Guard, commands=16, longest=20, seed=2):
    """Every wrong bit is corrected and counted."""
    bench = Bench(guard=guard, seed=seed)
    bench.memory.flip = bench.one_wrong_bit(0.1)

    async def scenario(ctx):
        bench.traffic(commands, longest)
        await bench.drain(ctx, bench.enough(commands, longest))
        bench.check()
        fault, counters = await bench.registers(ctx)
        assert fault is None and counters.keys() == {"merged", "verified", "corrected"}
        assert counters["corrected"] == bench.flips[0] > 10

    bench.run(scenario)


def read_again(guard=Guard, commands=22, longest=20, seed=4, tile=16):
    """What is right the second time is delivered right, and nothing but counters tells of it."""
    bench = Bench(guard=guard, seed=seed, tile=tile, patrol=50)
    bench.memory.flip = bench.any_wrong_bits(0.04)

    async def scenario(ctx):
        bench.traffic(commands, longest)
        await bench.drain(ctx, bench.enough(commands, longest))
        bench.check()
        fault, counters = await bench.registers(ctx)
        assert fault is None and "errors" not in counters
        assert 3 <= counters.get("tiles_reread", 0) + counters.get("clusters_reread", 0) <= bench.flips[1]

    bench.run(scenario)


def wrong_for_good(guard=Guard):
    """Delivered, an error; a part of such a cluster is not written."""
    bench = Bench(guard=guard)
    tiles_end, bad = bench.protection.tiles_end, bench.protection.tiles_end + 3 * CLUSTER
    chip, memory = bench.chip, bench.memory

    async def after(ctx, fault, **counted):
        await bench.drain(ctx)
        assert bool(chip.wrong) <= ctx.get(bench.dut.status.error)
        found, counters = await bench.registers(ctx)
        assert found == fault
        for name, count in counted.items():
            assert counters.get(name, 0) == count, name
        chip.register(Register.FAULT, 0)
        await bench.drain(ctx)
        assert (await bench.registers(ctx))[0] is None
        ctx.set(bench.dut.status.clear, 1)
        await ctx.tick()
        ctx.set(bench.dut.status.clear, 0)

    async def scenario(ctx):
        # A word of a tile, read with the ones before and behind it; the first error counts.
        memory.words[bench.physical(bench.tile + 3)] ^= 1 << 5
        memory.words[bench.physical(bad + 2)] ^= 3
        chip.read(0, 3 * bench.tile)
        chip.read(bad)
        await after(ctx, ("tile", bench.tile), errors=2, tiles_reread=1, clusters_reread=1)
        assert chip.wrong == [(bench.tile + 3, chip.shadow[bench.tile + 3] ^ 1 << 5)]
        before = memory.words[:]
        written = [(7, FULL)]
        chip.write(bad + 1, written)
        chip.write(bad + CLUSTER, written)
        await after(ctx, ("cluster", bad), errors=1, clusters_reread=1, merged=2, verified=1)
        cluster = bench.physical(bad) - 1
        assert memory.words[cluster:cluster + CLUSTER + 1] == before[cluster:cluster + CLUSTER + 1]
        assert memory.words[bench.physical(bad + CLUSTER)] == 7
        # The whole of it can be written; then it is right.
        chip.wrong.clear()
        chip.write(bad, [(9, FULL)] * CLUSTER)
        chip.read(bad, CLUSTER)
        await after(ctx, None)
        assert not chip.wrong
        # Tiles are not: one error a command, whatever its length, with its address.
        shadow = chip.shadow[:]
        chip.write(tiles_end - 5, [(1, FULL)] * 5)
        chip.write(0, [(1, FULL)])
        chip.shadow[:] = shadow
        chip.read(tiles_end - bench.tile, bench.tile)
        await after(ctx, ("write to a tile", tiles_end - 5), errors=2)
        assert not chip.wrong
        # Without CONTROL there are no tiles.
        chip.register(Register.CONTROL, 0)
        chip.read(0)
        await after(ctx, ("cluster", 0), errors=1)

    bench.run(scenario)


def damaged(guard=Guard, commands=15, longest=20, seed=6, tile=16):
    """Random traffic on damaged blocks: wrong words are of those alone, and never without an error."""
    bench = Bench(guard=guard, seed=seed, tile=tile, patrol=100)
    rng, tiles_end = bench.rng, bench.protection.tiles_end
    blocks = [(first, min(tile, start + words - first)) for start, words in bench.regions
              for first in range(start, start + words, tile)]
    blocks = rng.sample(blocks, 2) + [(tiles_end + CLUSTER * cluster, CLUSTER) for cluster in rng.sample(range(80), 12)]
    for first, words in blocks:
        bench.memory.words[bench.physical(first) - 1 + rng.randint(0, words)] ^= 7 << rng.randrange(100)
    wrong = {word for first, words in blocks for word in range(first, first + words)}

    async def scenario(ctx):
        bench.traffic(commands, longest)
        await bench.drain(ctx, bench.enough(commands, longest))
        (kind, address), counters = await bench.registers(ctx)
        assert counters["errors"] and (address, kind) in [
            (first, "tile" if first < tiles_end else "cluster") for first, _ in blocks]
        assert {word for word, _ in bench.chip.wrong} <= wrong
        differs = {at for at, word in enumerate(bench.stored()) if word != bench.memory.words[at]}
        assert differs <= {bench.physical(word) for word in wrong} | {bench.physical(first) - 1 for first, _ in blocks}

    bench.run(scenario)


def lost_writes(guard=Guard):
    """Seen when they are verified, before the guard is idle."""
    bench = Bench(guard=guard)
    first = bench.protection.tiles_end

    async def scenario(ctx):
        for cluster in range(5):
            bench.chip.write(first + CLUSTER * cluster, [(bench.rng.getrandbits(128), FULL)] * CLUSTER)
        bench.memory.lost = {3}
        await bench.drain(ctx, until=lambda: len(bench.memory.written) == 5)
        assert not ctx.get(bench.dut.status.error) and ctx.get(bench.dut.status.busy)
        await bench.drain(ctx)
        assert ctx.get(bench.dut.status.error)
        lost = next(at for at in range(5) if bench.memory.written[3] == bench.physical(first + CLUSTER * at) - 1)
        fault, counters = await bench.registers(ctx)
        assert fault == ("lost write", first + CLUSTER * lost)
        assert counters == {"errors": 1, "clusters_reread": 1, "verified": 5}

    bench.run(scenario)


def lost_and_written_again(guard=Guard):
    """A word is merged into what the lost write should have replaced; that is right in itself."""
    bench = Bench(guard=guard)
    cluster = bench.protection.tiles_end + 5 * CLUSTER

    async def scenario(ctx):
        bench.memory.lost = {0}
        bench.chip.write(cluster, [(bench.rng.getrandbits(128), FULL)] * CLUSTER)
        await bench.drain(ctx, until=lambda: bench.memory.written)
        bench.chip.write(cluster + 3, [(4, FULL)])
        await bench.drain(ctx)
        fault, counters = await bench.registers(ctx)
        assert fault == ("lost write", cluster)
        assert counters == {"errors": 1, "clusters_reread": 1, "merged": 1, "verified": 2}

    bench.run(scenario)


def busy_until_verified(guard=Guard):
    """Without a gap, from the first word on."""
    bench = Bench(guard=guard)
    seen = []

    async def scenario(ctx):
        await bench.drain(ctx)
        bench.chip.write(bench.protection.tiles_end + 9, [(5, FULL)])

        def look():
            seen.append((ctx.get(bench.dut.status.busy), ctx.get(bench.dut.counters).verified))
            return len(seen) == 400

        await bench.drain(ctx, until=look)
        changes = [state for state, before in zip(seen, [None, *seen], strict=False) if state != before]
        assert changes == [(0, 0), (1, 0), (1, 1), (0, 1)]

    bench.run(scenario)


def reset_in_traffic(guard=Guard):
    """Nothing of what was before is remembered."""
    bench = Bench(guard=guard)

    async def scenario(ctx):
        for cycles in (90, 300, 0):
            bench.traffic(15)
            if cycles:
                end = iter(range(cycles))
                await bench.drain(ctx, until=lambda end=end: next(end, None) is None)
                ctx.set(bench.reset, 1)
                await ctx.tick()
                ctx.set(bench.reset, 0)
                for agent in (bench.chip, bench.memory):
                    agent.reset()
                bench.memory.words = bench.stored()
                bench.control()
        await bench.drain(ctx)
        bench.check()
        assert not ctx.get(bench.dut.status.error)

    bench.run(scenario)


def registers_unread(guard=Guard):
    """More of them than the guard has room for wait until the chip takes words."""
    bench = Bench(guard=guard)

    async def scenario(ctx):
        bench.chip.read(2, 2 * bench.tile - 2)      # all of which the guard has room for
        bench.chip.hold = True
        for value in range(2 * bench.tile):
            bench.chip.register(Register.INJECT_MASK, value)
            bench.chip.read(REGISTER_WINDOW | Register.INJECT_MASK, 1 + value % 2)
        end = iter(range(400))
        await bench.drain(ctx, until=lambda: next(end, None) is None)
        bench.chip.hold = False
        await bench.drain(ctx, 1000)
        # The word behind is CONTROL, as addresses wrap.
        control = pack(CONTROL, {"tiles_end": bench.protection.tiles_end, "end": bench.protection.end})
        assert not bench.chip.wrong and bench.chip.values == [
            word for value in range(2 * bench.tile) for word in (value, *[control] * (value % 2))]

    bench.run(scenario)


def windows(guard=Guard):
    """Words as they are, their writes, and injection; each sees what was before it."""
    bench = Bench(guard=guard)
    chip, first = bench.chip, bench.protection.tiles_end

    async def scenario(ctx):
        chip.write(first + 1, [(5, FULL)])
        chip.read(PHYSICAL_WINDOW | bench.physical(first), 2)
        # A right cluster in another one's place: its address is wrong.
        header = bench.physical(first + CLUSTER) - 1
        chip.write(PHYSICAL_WINDOW | header, [(word, FULL) for word in bench.memory.words[header + 9:header + 18]])
        chip.read(first + CLUSTER)
        await bench.drain(ctx)
        assert chip.values == [chip.shadow[first], 5]
        assert chip.wrong == [(first + CLUSTER, chip.shadow[first + 2 * CLUSTER])]
        fault, _ = await bench.registers(ctx)
        assert fault == ("cluster", first + CLUSTER)
        chip.register(Register.FAULT, 0)
        # The fourth word that is read, which is the third one of a cluster
        chip.register(Register.INJECT_MASK, 1 << 77)
        chip.register(Register.INJECT, pack(INJECT, {"skip": 3, "count": 1}))
        chip.read(first + 3 * CLUSTER)
        # Two wrong bits in each of the words of the next write: seen when it is verified
        await bench.drain(ctx)
        chip.register(Register.INJECT_MASK, 3)
        chip.register(Register.INJECT, pack(INJECT, {"skip": 1, "count": 8, "write": 1}))
        chip.write(first + 4 * CLUSTER, [(6, FULL)] * CLUSTER)
        await bench.drain(ctx)
        fault, counters = await bench.registers(ctx)
        assert fault == ("lost write", first + 4 * CLUSTER)
        assert counters["corrected"] == 1 and len(chip.wrong) == 1

    bench.run(scenario)


def control_window(guard=Guard):
    """Commands to it reach the memory as they are, in order with all others; without it, the registers."""
    for exists in (False, True):
        bench = Bench(guard=guard, control_window=exists)
        chip, first, words = bench.chip, bench.protection.tiles_end, [(2, FULL), (3, 0x00F1)]

        async def scenario(ctx, exists=exists, bench=bench, chip=chip, first=first, words=words):
            chip.register(Register.INJECT_MASK, 7)
            chip.write(first + 1, [(5, FULL)])
            chip.write(CONTROL_WINDOW | Register.INJECT_MASK, words if exists else words[:1])
            chip.read(CONTROL_WINDOW | Register.INJECT_MASK, 1 + exists)
            chip.read(first + 1)
            chip.read(REGISTER_WINDOW | Register.INJECT_MASK)
            await bench.drain(ctx)
            assert not chip.wrong
            control = CONTROL_WINDOW | Register.INJECT_MASK
            assert chip.values == ([bench.memory.control(control), bench.memory.control(control + 1), 7] if exists
                                   else [2, 2])
            assert bench.memory.controlled == ([(control, *words[0]), (control + 1, *words[1])] if exists else [])
            assert (await bench.registers(ctx))[0] is None

        bench.run(scenario)


def patrolled(guard=Guard):
    """Wrong bits in the memory are found and corrected there, without being asked for."""
    bench = Bench(guard=guard, patrol=20, clusters=10)

    async def scenario(ctx):
        for cluster in range(0, 10, 3):
            addr = bench.physical(bench.protection.tiles_end + CLUSTER * cluster) + bench.rng.randrange(-1, CLUSTER)
            bench.memory.words[addr] ^= 1 << bench.rng.randrange(100)
        await bench.drain(ctx, until=lambda: bench.memory.words == bench.stored())
        await bench.drain(ctx)
        fault, counters = await bench.registers(ctx)
        assert fault is None and counters["merged"] == 4

    bench.run(scenario)


def write_after_read(guard=Guard):
    """What has to be read again is still what it was, though it has been written meanwhile."""
    bench = Bench(guard=guard, clusters=40)
    first, hit = bench.protection.tiles_end, []

    def flip(addr, word):
        if addr == bench.physical(first + 5) and not hit:
            hit.append(addr)
            return word ^ 3
        return word

    async def scenario(ctx):
        bench.memory.flip = flip
        bench.chip.read(first + 3, 61)
        for cluster in (0, 4, 7):
            bench.chip.write(first + CLUSTER * cluster, [(bench.rng.getrandbits(128), FULL)] * CLUSTER)
        bench.chip.read(first, 64)
        await bench.drain(ctx)
        bench.check()
        _, counters = await bench.registers(ctx)
        assert hit and counters == {"clusters_reread": 1, "verified": 3}

    bench.run(scenario)


CHECKS = (no_errors, corrected, read_again, damaged, wrong_for_good, lost_writes, lost_and_written_again,
          busy_until_verified, reset_in_traffic, registers_unread, windows, control_window, patrolled, write_after_read)

MUTATIONS = {
    "old words taken for new ones": (("reader", "guard"), "self.idle & (on_their_way == 0)", "self.idle",
                                     write_after_read),
    "read again from the block's first word": (
        ("reader", "guard"), "oldest.addr.eq(block.addr + block.skip)", "oldest.addr.eq(block.addr)", write_after_read),
    "never again": (("reader", "guard"), "(verdict.good | second)", "1", write_after_read),
    "registers without room": (("guard",), "& reader.room", "", registers_unread),
    "writes before the read": (
        ("writer", "guard"), "emitter.taken.eq(taken), emitter.done.eq(done),", "", write_after_read),
    "a gap in busy": (
        ("verifier", "writer", "guard"), ' | fsm.ongoing("WRITING")', "", busy_until_verified),
}


@pytest.mark.parametrize("check", CHECKS)
def test_guard(check):
    check()


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_guard_is_caught(name):
    modules, old, new, check = MUTATIONS[name]
    module, *users = (f"dojang_hdl.guard.{module}" for module in modules)
    with pytest.raises(AssertionError):
        check(mutate(module, old, new, users).Guard)


@pytest.mark.slow
@pytest.mark.parametrize(("tile", "longest", "patrol"), [(16, 256, 0), (32, 30, 1), (128, 256, 40), (256, 20, 300)])
def test_long_traffic(tile, longest, patrol):
    """Commands of up to 256 words, with the verifier's whole table."""
    no_errors(commands=100, longest=longest, tile=tile, seed=tile, patrol=patrol)
    corrected(commands=60, longest=longest, seed=tile)
    read_again(commands=100, longest=longest, tile=tile, seed=tile)
    damaged(commands=60, longest=longest, tile=tile, seed=tile)
