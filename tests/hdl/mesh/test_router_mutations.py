"""Each of these broken routers must be caught by the same check that the real one passes."""

import random

import pytest
from dojang_hdl.isa import Mode
from dojang_hdl.mesh.flit import DataFlit
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
    "two granted": ("streams.arbiter", "& ~Cat(others).any()", "& ~Cat(others).all()"),
    "another one's payload": ("streams.arbiter", "second[pair].eq(1 - value)", "second[pair].eq(value)"),
    "word lost on a stall": ("mesh.router_input", "full.eq(self.valid)", "full.eq(0)"),
    "word overwritten": ("mesh.router_input", "self.i.ready.eq(~full), put.eq(self.i.valid & ~full)",
                         "self.i.ready.eq(1), put.eq(self.i.valid)"),
    "words out of order": ("mesh.router_input", "Mux(read, words[1], words[0])",
                           "Mux(read ^ full, words[1], words[0])"),
}


def mutant(module: str, old: str, new: str):
    """DataRouter with ``old`` replaced by ``new`` in the source of one of its modules."""
    users = [] if module == "mesh.router" else ["dojang_hdl.mesh.router"]
    return mutate(f"dojang_hdl.{module}", old, new, users).DataRouter


def transfer(mesh, traffic, received, finished, cycles, rng, stall):
    """Drive ``traffic`` {port: [bits]} into ``mesh`` and hand what leaves to ``received`` until ``finished()``."""
    inputs = {port: [iter(flits), None] for port, flits in traffic.items()}
    outputs = [f"local_o{node}" for node in range(mesh.width * mesh.height)]
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


def check(router):
    """Delivery under random multicast traffic, full throughput, and fairness."""
    rng = random.Random(7)
    traffic = random_traffic("data", 2, 2, 12, rng)
    scoreboard = Scoreboard("data", 2, 2, traffic)
    transfer(RouterMesh("data", 2, 2, router), {port: [bits for _, bits in flits] for port, flits in traffic.items()},
             scoreboard.received, lambda: scoreboard.outstanding == 0, 400, rng, 0.3)

    def flits(tag, count):
        return [DataFlit.const({"mode": Mode.UNICAST, "x": 1, "y": 0, "tag": tag}).as_bits()] * count

    arrived = []
    everything = transfer(RouterMesh("data", 2, 1, router), {"local_i0": flits(0, 30), "edge_i0": flits(1, 30)},
                          lambda _, bits: arrived.append(DataFlit.from_bits(bits).tag), lambda: len(arrived) == 60,
                          200, rng, 0.0)
    assert everything <= 60 + 4, f"60 flits over two routers took {everything} cycles"
    assert sum(arrived[:30]) == 15, "two inputs that compete for an output get half of it each"


def test_the_router_passes():
    check(mutant("mesh.router", "PORTS = (", "PORTS = ("))


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_router_is_caught(name):
    with pytest.raises(AssertionError):
        check(mutant(*MUTATIONS[name]))
