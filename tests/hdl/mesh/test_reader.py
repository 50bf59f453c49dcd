"""The stream reader on a memory with latency: words in order, room reserved, urgent words past prefetched ones."""

import gc
import random

import pytest
from dojang_hdl.mesh import reader as reader_module
from dojang_hdl.mesh.flit import DataKind, RequestKind
from dojang_hdl.mesh.reader import AHEAD, StreamReader
from dojang_sim.benches.mutation import mutate
from dojang_sim.benches.streams import receive, run, send

ONE, BOTH = (DataKind.SCALES,), (DataKind.SCALES, DataKind.URGENT_SCALES)


def content(channel, addr):
    return channel << 64 | addr


class RemoteMemory:
    """Serves a reader's requests after ``latency`` cycles, per channel in order, one word per cycle.

    Between two channels the later request may be answered first. ``stall`` applies to taking requests.
    """

    def __init__(self, reader, kinds, chunk, latency, rng, stall):
        self.reader, self.kinds, self.chunk, self.latency = reader, kinds, chunk, latency
        self.rng, self.stall = rng, stall
        self.log = {kind: [] for kind in kinds}            # (row, addr, length)
        self.most = dict.fromkeys(kinds, 0)                # words on their way at once

    async def serve(self, ctx):
        pending = {(kind, channel): [] for kind in self.kinds for channel in (0, 1)}   # (cycle when due, word)
        cycle = 0
        while True:
            for kind, request in zip(self.kinds, self.reader.request, strict=True):
                ready = self.rng.random() >= self.stall
                ctx.set(request.ready, ready)
                if ready and ctx.get(request.valid):
                    flit = ctx.get(request.payload)
                    assert flit.kind == RequestKind.READ and flit.reply == kind and (flit.x, flit.y) == (5, 6)
                    assert 1 <= flit.length <= self.chunk
                    last = flit.addr + flit.length - 1
                    assert flit.addr // self.chunk == last // self.chunk, "a request crosses a chunk"
                    self.log[kind].append((flit.row, flit.addr, flit.length))
                    start = cycle + self.latency * (1 + flit.row)   # channel 1 is slower
                    pending[kind, flit.row] += [(start, content(flit.row, flit.addr + i)) for i in range(flit.length)]
                    self.most[kind] = max(self.most[kind], sum(len(pending[kind, row]) for row in (0, 1)))
            due = [source for source, words in pending.items() if words and words[0][0] <= cycle]
            chosen = self.rng.choice(due) if due else None
            for kind, fill in zip(self.kinds, self.reader.fill, strict=True):
                ctx.set(fill.valid, bool(due) and chosen[0] == kind)
                if due and chosen[0] == kind:
                    ctx.set(fill.payload, pending[chosen].pop(0)[1])
                    assert ctx.get(fill.ready)
            await ctx.tick()
            cycle += 1


def commander(reader, index, commands, rng=None, stall=0.0):
    async def bench(ctx):
        ctx.set(reader.x, 5)
        ctx.set(reader.y, 6)
        await send(ctx, reader.command[index],
                   [{"channel": c, "addr": a, "words": n} for c, a, n in commands], rng, stall)
    return bench


def simulate(commands, *, depth=64, chunk=16, latency=10, seed=0, stalls=(0.0, 0.0), cycles=5000, queued=8,
             late=True):
    """The words, the requests, and the cycles from the first word to the last."""
    reader = StreamReader(depth, chunk, ONE, (queued,), late)
    rng = random.Random(seed)
    memory = RemoteMemory(reader, ONE, chunk, latency, rng, stalls[0])
    words, times, clock = [], [], [0]
    count = sum(length for _, _, length in commands)

    async def consumer(ctx):
        words.extend(await receive(ctx, reader.o, 1))
        start = clock[0]
        words.extend(await receive(ctx, reader.o, count - 1, rng, stalls[1]))
        times.append(clock[0] - start)

    async def count_cycles(ctx):
        while True:
            await ctx.tick()
            clock[0] += 1

    run(reader, commander(reader, 0, commands, rng, stalls[0]), consumer, cycles=cycles,
        background=(memory.serve, count_cycles))
    return words, memory.log[DataKind.SCALES], times[0]


def expected(commands):
    return [content(channel, addr + i) for channel, addr, length in commands for i in range(length)]


def random_commands(rng, count):
    return [(rng.randrange(2), rng.randrange(1 << 32) & ~0xFFF | rng.randrange(64), rng.choice((0, 1, 2, 15, 40)))
            for _ in range(count)]


@pytest.mark.parametrize("stalls", [(0.0, 0.0), (0.6, 0.0), (0.0, 0.6), (0.3, 0.3)])
@pytest.mark.parametrize("options", [{}, {"queued": 0, "late": False}])
def test_words_in_order(stalls, options):
    rng = random.Random(repr(stalls))
    commands = random_commands(rng, 30)
    words, log, _ = simulate(commands, stalls=stalls, seed=1, **options)
    assert words == expected(commands)
    covered = [(row, addr + i) for row, addr, length in log for i in range(length)]
    assert covered == [(channel, addr + i) for channel, addr, length in commands for i in range(length)]


@pytest.mark.parametrize("late", [True, False])
def test_throughput_behind_a_latency_of_64(late):
    commands = [(0, 0, 600), (0, 600, 424)]
    words, _, cycles = simulate(commands, depth=256, chunk=64, latency=64, late=late)
    assert words == expected(commands)
    assert (len(words) - 1) / cycles >= 0.98


def test_a_chunk_is_always_in_flight():
    """A FIFO of one chunk still requests the second half while the first is consumed."""
    _, log, _ = simulate([(0, 0, 128)], depth=32, chunk=32)
    assert {length for _, _, length in log} == {16}


def requested(kinds, depth, chunk, latency):
    """Words requested of each kind, and on their way at once, with nobody reading."""
    reader = StreamReader(depth, chunk, kinds, (8,) * len(kinds))
    memory = RemoteMemory(reader, kinds, chunk, latency, random.Random(0), 0.0)

    async def wait(ctx):
        for _ in range(depth + 3 * latency + 100):
            await ctx.tick()

    commanders = [commander(reader, index, [(0, 0, 1000)]) for index in range(len(kinds))]
    run(reader, wait, *commanders, cycles=2000, background=(memory.serve,))
    return [sum(length for _, _, length in log) for log in memory.log.values()], list(memory.most.values())


def test_room_is_reserved():
    """With nobody reading, exactly the FIFOs' depth is requested, never more."""
    assert requested(ONE, 64, 16, 5)[0] == [64]
    assert requested(BOTH, 64, 16, 5)[0] == [48, 16]


def test_few_prefetched_words_are_on_their_way():
    (prefetched, urgent), most = requested(BOTH, 256, 16, 300)
    assert most == [AHEAD * 16, 64] and (prefetched, urgent) == (192, 64)


def switched(module, seed, late, stall):
    """Words of two kinds, asked for in turns; each kind's must come in order, whatever was on offer before."""
    rng = random.Random(seed)
    reader = module.StreamReader(64, 16, BOTH, (8, 8), late)
    memory = RemoteMemory(reader, BOTH, 16, 7, rng, stall)
    commands = [random_commands(rng, 30) for _ in BOTH]
    wanted, got = [expected(part) for part in commands], [[], []]

    async def consumer(ctx):
        select = 0
        while any(len(words) < len(all_) for words, all_ in zip(got, wanted, strict=True)):
            select ^= rng.random() < 0.8
            ctx.set(reader.select, select)
            for _ in range(rng.choice((1, 1, 2, 3, 30))):   # what is offered before the switch is seen is not taken
                await ctx.tick()
            left = len(wanted[select]) - len(got[select])
            got[select] += await receive(ctx, reader.o, min(rng.choice((0, 1, 2, 5, 20)), left), rng, stall)
            await ctx.tick()
        assert got == wanted

    run(reader, consumer, *(commander(reader, index, part, rng, stall) for index, part in enumerate(commands)),
        cycles=20000, background=(memory.serve,))


def kept(module, seed):
    """A consumer that takes two words before it needs them, whenever it has not got them, and forgets them."""
    rng = random.Random(seed)
    reader = module.StreamReader(64, 16, BOTH, (8, 8), late=False, keeps=True)
    memory = RemoteMemory(reader, BOTH, 16, 7, rng, 0.2)
    commands = [random_commands(rng, 30) for _ in BOTH]
    wanted, used = [expected(part) for part in commands], [[], []]

    async def consumer(ctx):
        select, words, pause = 0, [], 0
        while any(len(part) < len(all_) for part, all_ in zip(used, wanted, strict=True)):
            turns = not pause and rng.random() < 0.1
            use = bool(words) and not turns and not pause and rng.random() < 0.5
            pause = 3 if turns else max(pause - 1, 0)   # a command begins some cycles after the switch
            select ^= turns
            ctx.set(reader.select, select)
            ctx.set(reader.used, use)
            ctx.set(reader.o.ready, len(words) < 2)
            if use:
                used[select].append(words.pop(0))
            forget = ctx.get(reader.turned)
            if ctx.get(reader.o.ready) and ctx.get(reader.o.valid):
                words.append(ctx.get(reader.o.payload))
            if forget:
                words.clear()
            await ctx.tick()
        assert used == wanted

    run(reader, consumer, *(commander(reader, index, part, rng, 0.2) for index, part in enumerate(commands)),
        cycles=20000, background=(memory.serve,))


@pytest.mark.parametrize("seed", range(3))
def test_words_taken_ahead_come_again(seed):
    kept(reader_module, seed)


@pytest.mark.parametrize("change", [("self.used if self._keeps else self.o.valid", "self.o.valid"),
                                    ("self.turned.eq(turned)", "self.turned.eq(0)")])
def test_words_that_are_lost_or_mixed_are_noticed(change):
    broken = mutate("dojang_hdl.mesh.word_rings", *change, users=("dojang_hdl.mesh.reader",))
    with pytest.raises(AssertionError):
        kept(broken, 0)


def dropped(module, seed):
    """A command is given up while it is at work: what has been requested comes, then nothing is left."""
    rng = random.Random(seed)
    reader = module.StreamReader(64, 16, ONE, (0,), late=False)
    memory = RemoteMemory(reader, ONE, 16, 10, rng, 0.4)

    async def consumer(ctx):
        for first in (0, 1000):
            await commander(reader, 0, [(0, first, 900)])(ctx)
            for _ in range(4):
                assert not ctx.get(reader.empty)
                await ctx.tick()
            words = await receive(ctx, reader.o, rng.randrange(150), rng, 0.3)
            for _ in range(rng.choice((0, 1, 2, 3, 20))):
                assert not ctx.get(reader.empty)
                await ctx.tick()
            ctx.set(reader.drop, 1)
            ctx.set(reader.o.ready, 1)
            while not ctx.get(reader.empty):
                valid, payload = ctx.get(reader.o.valid), ctx.get(reader.o.payload)
                await ctx.tick()
                words += [payload] if valid else []
            ctx.set(reader.o.ready, 0)
            ctx.set(reader.drop, 0)
            asked = [content(row, addr + at) for row, addr, length in memory.log[ONE[0]] for at in range(length)]
            assert words == asked == [content(0, first + at) for at in range(len(words))]
            assert len(words) < 300
            memory.log[ONE[0]].clear()

    run(reader, consumer, cycles=3000, background=(memory.serve,))


@pytest.mark.parametrize("seed", range(8))
def test_a_command_is_given_up(seed):
    dropped(reader_module, seed)


@pytest.mark.parametrize("change", [
    ("with m.If(self.drop):", "with m.If(0):"), (" & (room == self._depth)", ""),
    ('state.ongoing("IDLE") & ~following.valid & ', "")])
def test_words_behind_a_command_given_up_are_noticed(change):
    broken = mutate("dojang_hdl.mesh.requester", *change, users=("dojang_hdl.mesh.reader",))
    with pytest.raises(AssertionError):
        for seed in range(8):
            dropped(broken, seed)


@pytest.mark.parametrize("late", [True, False])
@pytest.mark.parametrize("stall", [0.0, 0.5])
def test_urgent_words_pass(late, stall):
    for seed in range(3):
        switched(reader_module, seed, late, stall)


MUTATIONS = {
    "what was fetched is lost": ("fetch.eq(Array(oldest)[self.select])", "fetch.eq(Array(newest)[self.select])"),
    "the other's words are offered": ("ResetInserter(turned)(leaving_buffer)", "leaving_buffer"),
    "a fetched word stays": ("current.eq(self.select), fetched.eq(0)", "current.eq(self.select)"),
    "a word comes while turning": ("self.write.bit_select(self.select, 1))]", "0)]"),
    "the place is given away when fetched": (
        "m.d.sync += taken.eq(self.used if self._keeps else self.o.valid & self.o.ready)",
        "m.d.comb += taken.eq(popped)"),
    "one ring wraps at the other's end": ("firsts[ring] + self._depths[ring] - 1", "depth - 1"),
    "freed for the other": ("taken & (current == ring)", "taken & (current != ring)"),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_mutations_are_caught(name):
    broken = mutate("dojang_hdl.mesh.word_rings", *MUTATIONS[name], users=("dojang_hdl.mesh.reader",))
    with pytest.raises(AssertionError):
        for seed in range(6):
            switched(broken, seed, True, seed % 2 / 2)


@pytest.mark.filterwarnings("ignore::amaranth.hdl.UnusedElaboratable")
@pytest.mark.parametrize(("depth", "chunk", "name"), [(48, 16, "depth=48"), (64, 1, "chunk=1")])
def test_bad_parameters(depth, chunk, name):
    with pytest.raises(ValueError, match=name):
        StreamReader(depth, chunk, ONE, (8,))
    gc.collect()  # Amaranth warns of the half-made component when it goes
