"""Commands and what becomes of them, in order, at the right time."""

import random
from collections import deque

import pytest
from dojang_hdl.guard.front import Front
from dojang_hdl.guard.layout import CLUSTER, PHYSICAL_WINDOW, REGISTER_WINDOW, Register
from dojang_hdl.memory_control import CONTROL_WINDOW
from dojang_sim.benches.mutation import mutate
from dojang_sim.benches.streams import run

WRITES = 3
RANGES = (256, 512)
"""Of ``tiles_end``, which the host changes now and then."""

MUTATIONS = {
    "reads pass writes": ("| ~window & ~near)", "| ~window)"),
    "reads pass writes of their first words": ("== command.addr[PLACE]", "== last_addr[PLACE]"),
    "reads pass writes of their last words": ("== last_addr[PLACE]", "== command.addr[PLACE]"),
    "reads pass a word without a place": ("self.writes_waiting | ", ""),
    "reads pass the write before": ("_AGE = 3", "_AGE = 0"),
    "reads of tiles wait": ("\n                                          | tile & ~window | offered)", " | offered)"),
    "raw reads do not wait": ("tile | window & self.resting", "tile | window"),
    "raw writes do not wait": ("self.place.valid.eq(settled & self.resting | offered)", "self.place.valid.eq(settled)"),
    "registers do not wait": ("with m.If(settled & self.resting):", "with m.If(settled):"),
    "rejected with every word": ("self.rejected.eq(write.valid & ~begun)", "self.rejected.eq(write.valid)"),
    "rejected with the last word": ("self.rejected.eq(write.valid & ~begun)", "self.rejected.eq(finished)"),
    "words of a rejected write kept": ("m.d.comb += [write.ready.eq(1), self.rejected", "m.d.comb += [self.rejected"),
    "tiles as they were before": ("with m.If(finished & to_register):", "with m.If(0):"),
    "raw reads counted": ("self.cluster_read.eq(finished & ~tile & ~window)", "self.cluster_read.eq(finished & ~tile)"),
    "no flush": ("found & (settled", "0 & (settled"),
    "all are flushed": ("found & (settled", "(found | ~0) & (settled"),
    "control without its address": ("Cat(command.addr[:30], to_control.replicate(2))", "command.addr[:30]"),
    "control as registers": (".any() & ~to_control)", ".any())"),
    "control without such a window": ("        if self._control_window:\n    ", "        if True:\n    "),
    "reads taken back": ("| tile & ~window | offered)", "| tile & ~window)"),
    "writes taken back": ("settled & self.resting | offered)", "settled & self.resting)"),
    "no rest": ("self.rest.eq(self.waiting & window)", "self.rest.eq(0)"),
}


def random_commands(rng, count):
    """(write, address, words): all areas, the last tile and the first cluster above all."""
    tiles_end, found = RANGES[0], [(1, REGISTER_WINDOW | Register.CONTROL, [(RANGES[0], 0)])]
    for _ in range(count):
        write, length = rng.randrange(2), rng.choice((1, 1, 2, 5, 17))
        words = [(rng.getrandbits(128), rng.getrandbits(16)) for _ in range(length)]
        kind = rng.random()
        if kind < 0.1:      # what follows at once depends on it
            tiles_end = rng.choice(RANGES)
            found.append((1, REGISTER_WINDOW | Register.CONTROL, [(tiles_end, 0)]))
            addr = RANGES[0] + rng.randrange(8)
        elif kind < 0.2:
            addr = rng.choice((REGISTER_WINDOW, CONTROL_WINDOW)) | Register.INJECT_MASK
            words = words[:1]
        elif kind < 0.3:
            addr = PHYSICAL_WINDOW | rng.randrange(1024)
        elif kind < 0.4:
            addr = rng.randrange(tiles_end)
        else:
            addr = tiles_end + rng.choice((0, 250, rng.randrange(768)))
        found.append((write, addr, words))
    return found


def effects(commands, control_window):
    """What the front is to do, in order."""
    tiles_end = 0
    for write, addr, words in commands:
        to_control = control_window and addr >= CONTROL_WINDOW
        if addr & REGISTER_WINDOW and not to_control:
            if write:
                yield "register", addr & 3, words[0][0]
                tiles_end = words[0][0] if addr & 3 == Register.CONTROL else tiles_end
            else:
                yield "give", addr & 3
        elif addr & PHYSICAL_WINDOW:
            addr ^= 0 if to_control else PHYSICAL_WINDOW
            if write:
                yield "place", addr, len(words)
                yield from (("raw", *word) for word in words)
            else:
                yield "read", 1, addr, len(words), 0
        elif not write:
            yield "read", 0, addr, len(words), int(addr >= tiles_end)
        elif addr < tiles_end:
            yield "rejected", addr
        else:
            yield from (("word", addr + index, *word) for index, word in enumerate(words))


class Bench:
    """The rest of the guard: gathered clusters that leave one by one, reads that take some time."""

    def __init__(self, front, commands, stall=0.3, seed=1, control_window=False):
        self.dut, self.rng, self.stall = front(WRITES, control_window), random.Random(seed), stall
        self.commands = commands
        self.expected = deque(effects(commands, control_window))
        self.slots = [None] * WRITES        # clusters gathered
        self.tiles_end = self.last = 0      # cycle in which something was done
        self.reads = []                     # cycles in which they are done
        self.words = deque(word for write, _, words in commands if write for word in words)

    async def bench(self, ctx):
        dut, rng = self.dut, self.rng
        commands, cycle = deque(self.commands), 0
        while commands or self.words or self.expected:
            ctx.set(dut.command.valid, bool(commands) and rng.random() >= self.stall)
            if commands:
                write, addr, words = commands[0]
                ctx.set(dut.command.payload, {"write": write, "addr": addr, "length": len(words)})
            ctx.set(dut.write.valid, bool(self.words) and rng.random() >= self.stall)
            if self.words:
                ctx.set(dut.write.payload, {"data": self.words[0][0], "mask": self.words[0][1]})
            for stream in (dut.job, dut.place, dut.raw):
                ctx.set(stream.ready, rng.random() >= self.stall)
            cluster = ctx.get(dut.cluster.payload.addr) // CLUSTER
            ctx.set(dut.cluster.ready, cluster in self.slots and rng.random() >= self.stall)
            resting = not self.reads and not any(self.slots)
            self.observe(ctx, cycle, resting)
            taken = [ctx.get(stream.valid) and ctx.get(stream.ready) for stream in (dut.command, dut.write)]
            missing = ctx.get(dut.cluster.valid) and cluster not in self.slots and None in self.slots
            rest = ctx.get(dut.rest)
            flush, place = ctx.get(dut.flush), ctx.get(dut.addr) >> 8
            flushed = [slot for index, slot in enumerate(self.slots) if slot and flush >> index & 1]
            assert rest or all((slot * CLUSTER // 256 - place) % 4096 in (0, 1) for slot in flushed), "not near"
            leaves = rng.random() < (0.2 if flushed else 0.005)
            await ctx.tick()
            cycle += 1
            if taken[0]:
                commands.popleft()
            if taken[1]:
                self.words.popleft()
            if missing:
                self.slots[self.slots.index(None)] = cluster
            elif any(self.slots) and (leaves or (None not in self.slots and rng.random() < 0.1)):
                gone = rng.choice(flushed or [slot for slot in self.slots if slot])
                self.slots[self.slots.index(gone)] = None
            self.reads = [due for due in self.reads if due > cycle]
            ctx.set(dut.used, sum(1 << index for index, slot in enumerate(self.slots) if slot))
            ctx.set(dut.clusters, [slot or 0 for slot in self.slots])
            # As the guard's: a cycle late
            ctx.set(dut.resting, resting and rest and not self.reads and not any(self.slots))
            ctx.set(dut.tiles_end, self.tiles_end)
            assert cycle - self.last < 600, f"nothing happens; to be done: {self.expected[0]}"
        for _ in range(10):
            self.observe(ctx, cycle, False)
            await ctx.tick()

    def observe(self, ctx, cycle, resting):
        dut = self.dut

        def moved(stream):
            return ctx.get(stream.valid) and ctx.get(stream.ready)

        def did(*effect):
            assert self.expected and self.expected.popleft() == effect
            self.last = cycle

        if moved(dut.job):
            job, counted = ctx.get(dut.job.payload), ctx.get(dut.cluster_read)
            did("read", job.raw, job.addr, job.length, counted)
            assert resting or not job.raw
            if counted:
                read = range(job.addr // CLUSTER, (job.addr + job.length - 1) // CLUSTER + 1)
                assert not any(slot in read for slot in self.slots if slot), "a write before it is still gathered"
            self.reads.append(cycle + self.rng.randrange(30))
        else:
            assert not ctx.get(dut.cluster_read)
        if moved(dut.cluster):
            write = ctx.get(dut.cluster.payload)
            did("word", write.addr, write.word.data, write.word.mask)
        if moved(dut.place):
            place = ctx.get(dut.place.payload)
            assert place.raw and place.write and resting
            did("place", place.addr, place.length)
        if moved(dut.raw):
            word = ctx.get(dut.raw.payload)
            did("raw", word.data, word.mask)
        if ctx.get(dut.register_write):
            assert resting
            did("register", ctx.get(dut.register), ctx.get(dut.register_data))
            if ctx.get(dut.register) == Register.CONTROL:
                self.tiles_end = ctx.get(dut.register_data) & 0xFFFFFFFF
        if ctx.get(dut.give):
            assert resting
            did("give", ctx.get(dut.register))
        if ctx.get(dut.rejected):
            did("rejected", ctx.get(dut.addr))


def random_traffic(front):
    for seed, stall, control_window in ((1, 0.3, False), (2, 0.0, False), (3, 0.1, True)):
        bench = Bench(front, random_commands(random.Random(seed), 80), stall, seed, control_window)
        run(bench.dut, bench.bench, cycles=15000)


def reads_of_tiles_pass(front):
    """Within three cycles, whatever is gathered; of clusters when nothing near is, and that is flushed meanwhile."""
    dut = front(WRITES)

    async def read(ctx, addr, cycles):
        ctx.set(dut.command.payload, {"addr": addr, "length": 16})
        ctx.set(dut.command.valid, 1)
        await ctx.tick()
        ctx.set(dut.command.valid, 0)
        flush = 0
        for cycle in range(cycles):
            if ctx.get(dut.job.valid):
                assert ctx.get(dut.job.payload).addr == addr
                await ctx.tick()
                return cycle, flush
            flush |= ctx.get(dut.flush)
            await ctx.tick()
        return None, flush

    async def bench(ctx):
        ctx.set(dut.tiles_end, 512)
        ctx.set(dut.job.ready, 1)
        # A word that has no place yet may be near to anything.
        ctx.set(dut.writes_waiting, 1)
        assert await read(ctx, 0, 10) == (1, 0)
        assert await read(ctx, 1024, 20) == (None, 0)
        ctx.set(dut.writes_waiting, 0)
        await ctx.tick().repeat(3)
        assert ctx.get(dut.waiting) == 0
        ctx.set(dut.used, 0b101)
        ctx.set(dut.clusters, [(512 + 250) // CLUSTER, 0, 16 // CLUSTER])
        assert await read(ctx, 0, 10) == (1, 0)
        assert await read(ctx, 1024, 10) == (4, 0)
        # Of a read from the last words of one place to the first ones of the next, either is near.
        for cluster in ((512 + 250) // CLUSTER, (512 + 264) // CLUSTER):
            ctx.set(dut.used, 0b101)
            ctx.set(dut.clusters, [cluster, 0, 16 // CLUSTER])
            assert await read(ctx, 512 + 248, 20) == (None, 1)
            ctx.set(dut.used, 0b100)
            await ctx.tick().repeat(3)
            assert ctx.get(dut.waiting) == 0

    run(dut, bench, cycles=130)


def offers_stay(front):
    """What has been offered, though what it would have waited for begins only then."""
    dut = front(WRITES)

    async def offer(ctx, stream, command, disturb):
        ctx.set(dut.command.payload, command)
        ctx.set(dut.command.valid, 1)
        await ctx.tick()
        ctx.set(dut.command.valid, 0)
        for _ in range(10):
            await ctx.tick()
        assert ctx.get(stream.valid)
        for member, value in disturb.items():
            ctx.set(getattr(dut, member), value)
        for _ in range(6):
            await ctx.tick()
            assert ctx.get(stream.valid), "taken back"
        ctx.set(stream.ready, 1)
        await ctx.tick()
        ctx.set(stream.ready, 0)
        assert not ctx.get(stream.valid)

    async def bench(ctx):
        ctx.set(dut.tiles_end, 512)
        ctx.set(dut.resting, 1)
        await offer(ctx, dut.job, {"addr": 1024, "length": 16}, {"writes_waiting": 1})
        await offer(ctx, dut.job, {"addr": PHYSICAL_WINDOW, "length": 1}, {"resting": 0})
        ctx.set(dut.resting, 1)
        await offer(ctx, dut.place, {"addr": PHYSICAL_WINDOW, "length": 1, "write": 1}, {"resting": 0})

    run(dut, bench, cycles=100)


CHECKS = (reads_of_tiles_pass, offers_stay, random_traffic)


@pytest.mark.parametrize("check", CHECKS)
def test_front(check):
    check(Front)


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_front_is_caught(name):
    broken = mutate("dojang_hdl.guard.front", *MUTATIONS[name]).Front
    with pytest.raises(AssertionError):
        for check in CHECKS:
            check(broken)
