"""The merge of requests: headers of all, payload and mask of the writer with its own header."""

import random

import pytest
from dojang_hdl.mesh.flit import RequestKind
from dojang_hdl.mesh.request_merge import RequestMerge
from dojang_sim.benches.mutation import mutate
from dojang_sim.benches.streams import run

COUNT, FLITS = 3, 40

MUTATIONS = {
    "payload always taken": ("with m.If(writer.ready):", "with m.If(1):"),
    "payload of a flit that waits": ("with m.If(writer.ready):", "with m.If(writer.valid):"),
    "the first one writes": ("self.i[self._count - 1]", "self.i[0]"),
    "no address": ('if name not in _WRITTEN', 'if name not in ("addr", *_WRITTEN)'),
    "ready without a grant": ("source.ready.eq(header.ready)", "source.ready.eq(1)"),
}


def check(merge, stall):
    dut, rng = merge(COUNT), random.Random(3)
    flits = {source: [{"row": rng.randrange(16), "x": source, "y": rng.randrange(16), "addr": rng.getrandbits(32),
                       "length": rng.randrange(257), "reply_addr": rng.getrandbits(16), "tag": rng.randrange(4),
                       "kind": RequestKind.READ} for _ in range(FLITS)] for source in range(COUNT)}
    for flit in flits[COUNT - 1]:
        flit |= {"kind": RequestKind.WRITE, "mask": rng.getrandbits(16), "payload": rng.getrandbits(128)}
    offered, at, got = [False] * COUNT, [0] * COUNT, {source: [] for source in range(COUNT)}

    async def bench(ctx):
        while sum(map(len, got.values())) < COUNT * FLITS:
            for source, port in enumerate(dut.i):
                offered[source] = offered[source] or (at[source] < FLITS and rng.random() >= stall)
                ctx.set(port.valid, offered[source])
                ctx.set(port.payload, flits[source][min(at[source], FLITS - 1)])
            ctx.set(dut.o.ready, rng.random() >= stall)
            for source, port in enumerate(dut.i):
                if offered[source] and ctx.get(port.ready):
                    offered[source] = False
                    at[source] += 1
            if ctx.get(dut.o.valid) and ctx.get(dut.o.ready):
                flit = ctx.get(dut.o.payload)
                assert flit.x < COUNT
                got[flit.x].append(flit)
            await ctx.tick()

    run(dut, bench, cycles=1000)
    for source, expected in flits.items():
        assert len(got[source]) == FLITS
        for flit, fields in zip(got[source], expected, strict=True):
            assert all(getattr(flit, name) == value for name, value in fields.items())


@pytest.mark.parametrize("stall", [0.0, 0.5])
def test_requests_arrive_whole_and_in_order(stall):
    check(RequestMerge, stall)


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_merge_is_caught(name):
    with pytest.raises(AssertionError):
        check(mutate("dojang_hdl.mesh.request_merge", *MUTATIONS[name]).RequestMerge, 0.5)
