import random

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from dojang_hdl.config import preset
from dojang_hdl.isa import Mode
from dojang_hdl.mesh.edge import Edge, EdgeCounters
from dojang_hdl.mesh.flit import DataKind, DataLink, HostType, RequestKind, RequestLink
from dojang_hdl.mesh.prefetch_queue import PREFETCHED
from dojang_sim.benches.mutation import mutate
from dojang_sim.benches.streams import receive, run, send
from dojang_sim.memory import SramMemory

WORDS = 64
INITIAL = [0xABC << 100 | index for index in range(WORDS)]


class EdgeWithMemory(wiring.Component):
    request: In(RequestLink())
    data: Out(DataLink())
    control: In(DataLink())
    enable: In(1)
    clear: In(1)
    counters: Out(EdgeCounters)

    def __init__(self, latency=12):
        super().__init__()
        self.edge = Edge(preset("small-node"))
        self.host = self.edge.host
        self.memory = SramMemory(WORDS, latency, INITIAL)

    def elaborate(self, platform):
        m = Module()
        m.submodules.edge, m.submodules.memory = self.edge, self.memory
        wiring.connect(m, self.edge.memory, self.memory.port)
        for name in ("request", "data", "control"):
            wiring.connect(m, wiring.flipped(getattr(self, name)), getattr(self.edge, name))
        m.d.comb += [self.edge.enable.eq(self.enable), self.edge.clear.eq(self.clear),
                     self.counters.eq(self.edge.counters)]
        return m


def read(x, y, addr, length, *, reply=DataKind.PROGRAM, reply_addr=0, tag=0):
    return {"kind": RequestKind.READ, "x": x, "y": y, "addr": addr, "length": length, "reply": reply,
            "reply_addr": reply_addr, "tag": tag}


def write(addr, payload, mask=0xFFFF):
    return {"kind": RequestKind.WRITE, "addr": addr, "payload": payload, "mask": mask}


def flit_fields(flit):
    """What a flit means: prefetched words have neither address nor tag."""
    names = ("mode", "x", "y", "kind", "mask", "payload") + (() if flit.kind in PREFETCHED else ("addr", "tag"))
    return {name: getattr(flit, name) for name in names}


def scenario(rng, count):
    """Random requests, with the replies, messages and memory contents they must lead to."""
    contents = list(INITIAL)
    requests, replies, messages = [], [], []
    for _ in range(count):
        kind = rng.choice(list(RequestKind))
        x, y = rng.randrange(8), rng.randrange(8)
        addr = rng.randrange(16)
        if kind == RequestKind.READ:
            reply, tag, target = rng.choice(list(DataKind)), rng.randrange(4), rng.getrandbits(16)
            length = rng.randrange(9)
            addr += 32 * (reply in PREFETCHED)   # nobody writes there
            requests.append(read(x, y, addr, length, reply=reply, reply_addr=target, tag=tag))
            replies += [{"mode": Mode.UNICAST, "x": x, "y": y, "kind": reply, "mask": 15, "payload": contents[addr + i]}
                        | ({} if reply in PREFETCHED else
                           {"tag": tag, "addr": (target + i) & 0xFFFF if reply == DataKind.STORE else target})
                        for i in range(length)]
        elif kind == RequestKind.WRITE:
            payload, mask = rng.getrandbits(128), rng.getrandbits(16)
            requests.append(write(addr, payload, mask))
            for byte in range(16):
                if mask >> byte & 1:
                    contents[addr] = contents[addr] & ~(0xFF << 8 * byte) | payload & 0xFF << 8 * byte
        else:
            message = {"x": x, "y": y, "type": rng.choice(list(HostType)), "payload": rng.getrandbits(128)}
            requests.append({"kind": kind, "x": x, "y": y, "addr": message["type"].value,
                             "payload": message["payload"]})
            messages.append(message)
    return requests, replies, messages, contents


@pytest.mark.parametrize("stalls", [(0.0, 0.0), (0.5, 0.0), (0.0, 0.5), (0.3, 0.3)])
def test_requests_are_served_in_order(stalls):
    """Those of prefetched words among themselves, and all others."""
    rng = random.Random(repr(stalls))
    dut = EdgeWithMemory()
    requests, replies, messages, contents = scenario(rng, 80)
    controls = [{"mode": Mode.ALL, "kind": DataKind.CONTEXT, "payload": index} for index in range(10)]

    async def requester(ctx):
        await send(ctx, dut.request, requests, rng, stalls[0])

    async def controller(ctx):
        await send(ctx, dut.control, controls, rng, 0.9)

    async def nodes(ctx):
        flits = await receive(ctx, dut.data, len(replies) + len(controls), rng, stalls[1])
        told = [flit.payload for flit in flits if flit.mode == Mode.ALL]
        assert told == [flit["payload"] for flit in controls]
        for prefetched in (False, True):
            assert [flit_fields(flit) for flit in flits if flit.mode != Mode.ALL
                    and (flit.kind in PREFETCHED) == prefetched] == \
                [reply for reply in replies if (reply["kind"] in PREFETCHED) == prefetched]

    async def host(ctx):
        received = await receive(ctx, dut.host, len(messages), rng, stalls[1])
        assert [{name: getattr(message, name) for name in ("x", "y", "type", "payload")}
                for message in received] == messages

    async def settle(ctx):
        await requester(ctx)
        for _ in range(60):
            await ctx.tick()
        assert [ctx.get(dut.memory.contents[index]) for index in range(WORDS)] == contents

    run(dut, settle, controller, nodes, host, cycles=8000)


def test_throughput_over_reads_of_several_nodes():
    dut = EdgeWithMemory(latency=20)
    requests = [read(node, 0, 0, 32) for node in range(4)] * 4 + [read(node, 1, 8, 3) for node in range(40)]
    times = []

    async def nodes(ctx):
        await receive(ctx, dut.data, 1)
        await receive(ctx, dut.data, 4 * 4 * 32 + 40 * 3 - 1)
        times.append(ctx.get(dut.counters.cycles))

    async def requester(ctx):
        ctx.set(dut.enable, 1)
        await send(ctx, dut.request, requests)

    run(dut, requester, nodes, cycles=900)
    assert times[0] <= 4 * 4 * 32 + 40 * 3 + 30


def test_urgent_reads_pass_prefetching_ones():
    """An urgent read waits for four chunks and the latency at most, however many READs wait."""
    latency, chunk = 20, preset("small-node").chunk
    dut, when = EdgeWithMemory(latency), {}

    async def nodes(ctx):
        for _ in range(8 * chunk):
            flit, = await receive(ctx, dut.data, 1)
            when.setdefault(flit.kind, ctx.get(dut.counters.cycles))
        when["end"] = ctx.get(dut.counters.cycles)

    async def requester(ctx):
        ctx.set(dut.enable, 1)
        await send(ctx, dut.request, [read(0, 0, 0, chunk, reply=DataKind.PLANES)] * 7)
        for _ in range(2 * chunk):
            await ctx.tick()
        when["sent"] = ctx.get(dut.counters.cycles)
        await send(ctx, dut.request, [read(0, 0, 0, chunk, reply=DataKind.URGENT_PLANES)])

    run(dut, requester, nodes, cycles=1000)
    assert when[DataKind.URGENT_PLANES] - when["sent"] <= 4 * chunk + latency + 10
    assert when["end"] - when[DataKind.PLANES] <= 8 * chunk + 1, "the memory had to wait"


def test_write_per_cycle():
    dut = EdgeWithMemory()

    async def requester(ctx):
        ctx.set(dut.enable, 1)
        await send(ctx, dut.request, [write(index, index) for index in range(60)])
        assert ctx.get(dut.counters.cycles) <= 61
        for _ in range(8):
            await ctx.tick()
        assert ctx.get(dut.counters.useful_written) == 60

    run(dut, requester, cycles=100)


def test_counters():
    dut = EdgeWithMemory()

    async def requester(ctx):
        ctx.set(dut.enable, 1)
        await send(ctx, dut.request, [write(index, 0) for index in range(5)] + [read(0, 0, 0, 20)])
        for _ in range(60):   # nobody takes replies: the port stalls
            await ctx.tick()
        counters = ctx.get(dut.counters)
        assert counters.busy + counters.stalled + counters.idle == counters.cycles
        assert counters.stalled > 40 and counters.useful_written == 5 and counters.useful_read < 5
        await receive(ctx, dut.data, 20)
        await ctx.tick()
        counters = ctx.get(dut.counters)
        assert (counters.useful_read, counters.useful_written, counters.busy) == (20, 5, 25)
        ctx.set(dut.enable, 0)
        for _ in range(3):
            await ctx.tick()
        before = ctx.get(dut.counters.as_value())
        for _ in range(5):
            await ctx.tick()
        assert ctx.get(dut.counters.as_value()) == before
        ctx.set(dut.clear, 1)
        await ctx.tick()
        assert ctx.get(dut.counters.as_value()) == 0

    run(dut, requester, cycles=400)


def late_words(edge, writes, count=40, late=100):
    """A memory that takes all commands, and no words (gives none) for a long time: the edge's queues fill up."""
    dut = edge(preset("small-node"))
    commands = [write(index, index) if writes else read(1, 0, index, 1, reply_addr=index, tag=index % 4)
                for index in range(count)]

    async def node(ctx):
        await send(ctx, dut.request, commands)

    async def taker(ctx):
        taken = await receive(ctx, dut.memory.command, count)
        assert [command.addr for command in taken] == list(range(count))

    async def words(ctx):
        for _ in range(late):
            await ctx.tick()
        if writes:
            assert [word.data for word in await receive(ctx, dut.memory.write, count)] == list(range(count))
        else:
            await send(ctx, dut.memory.read, range(count))

    async def replies(ctx):
        flits = await receive(ctx, dut.data, 0 if writes else count)
        assert [flit.addr for flit in flits] == [flit.payload for flit in flits] == list(range(len(flits)))

    run(dut, node, taker, words, replies, cycles=4 * count + late)


@pytest.mark.parametrize("writes", [False, True])
def test_nothing_is_lost_while_the_memory_is_late(writes):
    late_words(Edge, writes)


@pytest.mark.parametrize(("old", "writes"), [("writes.w_level < _WRITES - 1", True),
                                             ("tags.w_level < _OUTSTANDING - 1", False)])
@pytest.mark.parametrize("more", ["", " + 1"])
def test_an_edge_that_takes_too_much_is_caught(old, writes, more):
    broken = mutate("dojang_hdl.mesh.edge", old, old.replace(" - 1", more)).Edge
    with pytest.raises(AssertionError):
        late_words(broken, writes)
