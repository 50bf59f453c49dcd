"""Each of these broken routers must be caught by the same check that the real one passes."""

import random

import pytest
from dojang_hdl.isa import Mode
from dojang_hdl.mesh.flit import DataFlit, RequestFlit
from dojang_sim.benches.mesh_traffic import Scoreboard, random_traffic
from dojang_sim.benches.mutation import mutate
from dojang_sim.benches.router_mesh import RouterMesh
from dojang_sim.benches.streams import run

MUTATIONS = {
    "copies repeated": ("mesh.router_input", "self.left.eq(still_left)", "self.left.eq(self.left)"),
    "copies forgotten": ("mesh.router_input", "with m.If(still_left.any()):",
                         "with m.If(still_left.any() & ~self.served.any()):"),
    "dropped after the first copy": ("mesh.router_input", "take.eq(self.valid & ~still_left.any())",
                                     "take.eq(self.valid & (self.served.any() | ~still_left.any()))"),
    "younger flit's route lost": ("mesh.router_input", "Mux(full, second, Mux(put, self.route, 0))",
                                  "Mux(put, self.route, 0)"),
    "output overwritten": ("mesh.router", "arbiter.advance.eq(~o.valid | o.ready)", "arbiter.advance.eq(1)"),
    "half throughput": ("mesh.router", "arbiter.advance.eq(~o.valid | o.ready)", "arbiter.advance.eq(~o.valid)"),
    "served without a register": ("mesh.router", "eq(arbiter.grant[bit] & arbiter.advance)", "eq(arbiter.grant[bit])"),
    "sent off the mesh": ("mesh.router", "route[output] & inside.get(output, 1)", "route[output]"),
    "wrong vertical direction": ("mesh.router", "unicast & (flit.y < self.y), unicast & (flit.y > self.y)",
                                 "unicast & (flit.y > self.y), unicast & (flit.y < self.y)"),
    "columns confused": ("mesh.router", "in_column = flit.x == self.x", "in_column = flit.x == self.y"),
    "row left out": ("mesh.router", "here & in_column | row | tree", "here & in_column | tree"),
    "sender left out": ("mesh.router", "here & in_column | row | tree",
                        "(here & in_column | row | tree) & (source != 'local')"),
    "no fork into the columns": ("mesh.router", "tree = everywhere | column & (", "tree = column & ("),
    "fork again in the column": ("mesh.router", '"east": row | everywhere |', '"east": row |'),
    "edge's column ignored": ("mesh.router", "unicast if source == \"local\" else unicast | column", "unicast"),
    "unfair": ("streams.arbiter", "zip(pair, (0, 1), strict=True)", "zip(pair, (1, 1), strict=True)"),
    "rounds cut short": ("mesh.round_arbiter", "matrix.urgent.eq(self.more)", "matrix.urgent.eq(0)"),
    "each flit a round": ("mesh.round_arbiter", "self.more | ~joined", "self.more & ~joined"),
    "a round without end": ("mesh.round_arbiter", "(begins & joined).any()", "(begins & ~joined).any()"),
    "rounds begun elsewhere": ("mesh.router_input", "fresh.eq(~more & ~self.route)", "fresh.eq(0)"),
    "two granted": ("streams.arbiter", "& ~Cat(others).any()", "& ~Cat(others).all()"),
    "another one's payload": ("streams.arbiter", "second[pair].eq(1 - value)", "second[pair].eq(value)"),
    "word lost on a stall": ("mesh.router_input", "full.eq(self.valid)", "full.eq(0)"),
    "word overwritten": ("mesh.router_input", "self.i.ready.eq(~full), put.eq(self.i.valid & ~full)",
                         "self.i.ready.eq(1), put.eq(self.i.valid)"),
    "words out of order": ("mesh.router_input", "Mux(read, words[1], words[0])",
                           "Mux(read ^ full, words[1], words[0])"),
}


def mutant(module: str, old: str, new: str):
    """The routers' module with ``old`` replaced by ``new`` in the source of it or of a module below it."""
    users = {"mesh.router": [], "streams.arbiter": ["mesh.round_arbiter", "mesh.router"]}.get(module, ["mesh.router"])
    return mutate(f"dojang_hdl.{module}", old, new, [f"dojang_hdl.{user}" for user in users])


def transfer(mesh, traffic, received, finished, cycles, rng, stall):
    """Drive ``traffic`` {port: [bits]} into ``mesh`` and hand what leaves to ``received`` until ``finished()``."""
    inputs = {port: [iter(flits), None] for port, flits in traffic.items()}
    outputs = ([f"local_o{node}" for node in range(mesh.width * mesh.height)] if mesh.network == "data" else
               [f"edge_o{row}" for row in range(mesh.height)])
    elapsed = 0

    async def bench(ctx):
        nonlocal elapsed
        while not finished():
            for port, state in inputs.items():
                stream = getattr(mesh, port)
                if state[1] is None and rng.random() >= stall:
                    state[1] = next(state[0], None)
                    ctx.set(stream.payload.as_value(), state[1] or 0)
                ctx.set(stream.valid, state[1] is not None)
            for port in outputs:
                ctx.set(getattr(mesh, port).ready, rng.random() >= stall)
            for port, state in inputs.items():
                if state[1] is not None and ctx.get(getattr(mesh, port).ready):
                    state[1] = None
            for port in outputs:
                stream = getattr(mesh, port)
                if ctx.get(stream.valid) and ctx.get(stream.ready):
                    received(port, ctx.get(stream.payload.as_value()))
            await ctx.tick()
            elapsed += 1

    run(mesh, bench, cycles=cycles)
    return elapsed


def check(routers):
    """Delivery under random multicast traffic, full throughput, and fairness."""
    router = routers.DataRouter
    rng = random.Random(7)
    traffic = random_traffic("data", 2, 2, 12, rng)
    scoreboard = Scoreboard("data", 2, 2, traffic)
    transfer(RouterMesh("data", 2, 2, router), {port: [bits for _, bits in flits] for port, flits in traffic.items()},
             scoreboard.received, lambda: scoreboard.outstanding == 0, 400, rng, 0.3)

    def flits(tag, count):
        return [DataFlit.const({"mode": Mode.UNICAST, "x": 2, "y": 0, "tag": tag}).as_bits()] * count

    arrived = []
    senders = ("edge_i0", "local_i0", "local_i1", "local_i2")   # from far to near
    everything = transfer(RouterMesh("data", 3, 1, router),
                          {port: flits(tag, 20) for tag, port in enumerate(senders)},
                          lambda _, bits: arrived.append(DataFlit.from_bits(bits).tag), lambda: len(arrived) == 80,
                          200, rng, 0.0)
    assert everything <= 80 + 6, f"80 flits over three routers took {everything} cycles"
    full = arrived[12:60]   # the near ones were there first
    assert all(abs(full.count(tag) - 12) <= 1 for tag in range(4)), "near and far senders get the same"
    check_shared_link(routers.RequestRouter, rng)


def check_shared_link(router, rng):
    """Node 0 alone asks the last edge, the others the one above; it begins each round of the links it shares."""
    def flits(row, node):
        return [RequestFlit.const({"row": row, "y": node}).as_bits()]

    arrived = []
    traffic = {"local_i0": flits(3, 0) * 90, "local_i1": flits(1, 1) * 20 + flits(2, 1) * 40,
               "local_i2": flits(2, 2) * 40, "local_i3": flits(2, 3) * 40}

    def received(port, bits):
        if port == "edge_o2":
            arrived.append(RequestFlit.from_bits(bits).y)

    transfer(RouterMesh("request", 1, 4, router), traffic, received, lambda: len(arrived) == 120, 400, rng, 0.0)
    shared = arrived[arrived.index(1):][:45]
    assert all(abs(shared.count(node) - 15) <= 1 for node in (1, 2, 3)), "all who ask the edge get the same"


def test_the_router_passes():
    check(mutant("mesh.router", "PORTS = (", "PORTS = ("))


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_router_is_caught(name):
    with pytest.raises(AssertionError):
        check(mutant(*MUTATIONS[name]))
