import gc
import random

import pytest
from dojang_hdl.mesh.flit import DataKind, RequestKind
from dojang_hdl.mesh.reader import StreamReader
from dojang_sim.benches.streams import receive, run, send


def content(channel, addr):
    return channel << 64 | addr


async def remote_memory(ctx, reader, chunk, latency, rng, stall, log):
    """Serves the reader's requests after ``latency`` cycles, per channel in order, one word per cycle.

    Between two channels the later request may be answered first. ``stall`` applies to taking requests.
    """
    pending = {0: [], 1: []}   # per channel: (cycle when due, word)
    cycle = 0
    while True:
        ready = rng.random() >= stall
        ctx.set(reader.request.ready, ready)
        if ready and ctx.get(reader.request.valid):
            flit = ctx.get(reader.request.payload)
            assert flit.kind == RequestKind.READ and flit.reply == DataKind.SCALES and (flit.x, flit.y) == (5, 6)
            assert 1 <= flit.length <= chunk
            assert flit.addr // chunk == (flit.addr + flit.length - 1) // chunk, "a request crosses a chunk"
            log.append((flit.row, flit.addr, flit.length))
            start = cycle + latency * (1 + flit.row)   # channel 1 is slower
            pending[flit.row] += [(start, content(flit.row, flit.addr + i)) for i in range(flit.length)]
        due = [channel for channel in pending if pending[channel] and pending[channel][0][0] <= cycle]
        ctx.set(reader.fill.valid, bool(due))
        if due:
            ctx.set(reader.fill.payload, pending[rng.choice(due)].pop(0)[1])
            assert ctx.get(reader.fill.ready)
        await ctx.tick()
        cycle += 1


def simulate(commands, *, depth=64, chunk=16, latency=10, seed=0, stalls=(0.0, 0.0), cycles=5000, **options):
    """The words, the requests, and the cycles from the first word to the last."""
    reader = StreamReader(depth, chunk, DataKind.SCALES, **options)
    rng = random.Random(seed)
    words, log, times, clock = [], [], [], [0]
    count = sum(length for _, _, length in commands)

    async def commander(ctx):
        ctx.set(reader.x, 5)
        ctx.set(reader.y, 6)
        await send(ctx, reader.command,
                   [{"channel": c, "addr": a, "words": n} for c, a, n in commands], rng, stalls[0])

    async def consumer(ctx):
        words.extend(await receive(ctx, reader.o, 1))
        start = clock[0]
        words.extend(await receive(ctx, reader.o, count - 1, rng, stalls[1]))
        times.append(clock[0] - start)

    async def memory(ctx):
        await remote_memory(ctx, reader, chunk, latency, rng, stalls[0], log)

    async def count_cycles(ctx):
        while True:
            await ctx.tick()
            clock[0] += 1

    run(reader, commander, consumer, cycles=cycles, background=(memory, count_cycles))
    return words, log, times[0]


def expected(commands):
    return [content(channel, addr + i) for channel, addr, length in commands for i in range(length)]


@pytest.mark.parametrize("stalls", [(0.0, 0.0), (0.6, 0.0), (0.0, 0.6), (0.3, 0.3)])
@pytest.mark.parametrize("options", [{}, {"queued": 0, "late": False}])
def test_words_in_order(stalls, options):
    rng = random.Random(repr(stalls))
    commands = [(rng.randrange(2), rng.randrange(1 << 32) & ~0xFFF | rng.randrange(64), rng.choice((0, 1, 2, 15, 40)))
                for _ in range(30)]
    words, log, _ = simulate(commands, stalls=stalls, seed=1, **options)
    assert words == expected(commands)
    assert sum(length for _, _, length in log) == len(words)
    covered = [(row, addr + i) for row, addr, length in log for i in range(length)]
    assert covered == [(channel, addr + i) for channel, addr, length in commands for i in range(length)]


def test_room_is_reserved():
    """With nobody reading, exactly the FIFO's depth (and the output registers) is requested, never more."""
    depth, chunk = 64, 16
    reader = StreamReader(depth, chunk, DataKind.SCALES)
    log = []

    async def memory(ctx):
        await remote_memory(ctx, reader, chunk, 5, random.Random(0), 0.0, log)

    async def commander(ctx):
        ctx.set(reader.x, 5)
        ctx.set(reader.y, 6)
        await send(ctx, reader.command, [{"channel": 0, "addr": 0, "words": 1000}])
        for _ in range(300):
            await ctx.tick()

    run(reader, commander, cycles=1000, background=(memory,))
    assert sum(length for _, _, length in log) == depth, "two words more fit the output registers, but no chunk"


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


@pytest.mark.filterwarnings("ignore::amaranth.hdl.UnusedElaboratable")
@pytest.mark.parametrize(("depth", "chunk", "name"), [(48, 16, "depth=48"), (64, 1, "chunk=1")])
def test_bad_parameters(depth, chunk, name):
    with pytest.raises(ValueError, match=name):
        StreamReader(depth, chunk, DataKind.PLANES)
    gc.collect()  # Amaranth warns of the half-made component when it goes
