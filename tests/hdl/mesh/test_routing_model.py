"""The routing model, on which the deadlock check rests, must be what the routers do."""

import pytest
from dojang_hdl.isa import Mode
from dojang_hdl.mesh.router import PORTS, DataRouter, RequestRouter
from dojang_sim.benches.streams import run
from dojang_sim.routes import MODES, Packet, data_outputs, request_outputs, step

SIZES = [(3, 3), (1, 1), (2, 1), (1, 2)]


def _nodes(size):
    return [(x, y) for x in range(size[0]) for y in range(size[1])]


def arrivals(size, node, network):
    """All (input, packet) that can come to ``node``: from its own node, over its links, and from an edge."""
    for source in PORTS:
        edge = source == "west" and node[0] == 0
        if source != "local" and not edge and step(size, node, source) is None:
            continue
        for x, y in _nodes(size):
            for mode in MODES if network == "data" else MODES[:1]:
                packet = Packet(mode, x, y)
                if _comes(node, source, packet, network):
                    yield source, packet


def _comes(node, source, packet, network):
    x, y = node
    if source == "local":
        return True
    if network == "request":
        return {"east": packet.y == y, "north": packet.y >= y, "south": packet.y <= y, "west": False}[source]
    if source in ("north", "south"):
        reaches = {"north": packet.y >= y, "south": packet.y <= y}[source]
        return packet.mode in ("COLUMN", "ALL") or (packet.mode == "UNICAST" and packet.x == x and reaches)
    reaches = {"west": packet.x >= x, "east": packet.x <= x}[source]
    return packet.mode in ("ROW", "ALL") or (reaches and (packet.mode == "UNICAST" or source == "west"))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("network", ["data", "request"])
def test_routers_follow_the_model(network, size):
    model, router = {"data": (data_outputs, DataRouter), "request": (request_outputs, RequestRouter)}[network]
    dut = router(*size)
    tried = 0

    async def bench(ctx):
        nonlocal tried
        for port in PORTS:
            ctx.set(getattr(dut, f"o_{port}").ready, 1)
        for node in _nodes(size):
            ctx.set(dut.x, node[0])
            ctx.set(dut.y, node[1])
            for source, packet in arrivals(size, node, network):
                i = getattr(dut, f"i_{source}")
                ctx.set(i.payload, {"mode": Mode[packet.mode], "x": packet.x, "y": packet.y} if network == "data"
                        else {"row": packet.y})
                ctx.set(i.valid, 1)
                assert ctx.get(i.ready)
                await ctx.tick()
                ctx.set(i.valid, 0)
                await ctx.tick()   # DataRouter.latency == 2
                left = {port for port in PORTS if ctx.get(getattr(dut, f"o_{port}").valid)}
                assert left == model(size, node, source, packet), f"{packet} at {node} from {source}"
                tried += 1

    run(dut, bench, cycles=5000)
    assert tried >= {(3, 3): (100, 40), (1, 1): (8, 1), (2, 1): (30, 3), (1, 2): (20, 6)}[size][network == "request"]


@pytest.mark.parametrize(("router", "size", "dead"), [
    (DataRouter, (1, 1), ("north", "east", "south")), (RequestRouter, (1, 1), ("north", "east", "south", "west")),
    (DataRouter, (2, 1), ("north", "south")), (RequestRouter, (1, 2), ("east", "west"))])
def test_inputs_that_lead_nowhere_take_nothing(router, size, dead):
    dut = router(*size)

    async def bench(ctx):
        for port in PORTS:
            ctx.set(getattr(dut, f"i_{port}").valid, 1)
            ctx.set(getattr(dut, f"o_{port}").ready, 1)
        taking = set()
        for _ in range(6):
            taking |= {port for port in PORTS if ctx.get(getattr(dut, f"i_{port}").ready)}
            assert not any(ctx.get(getattr(dut, f"o_{port}").valid) for port in dead if port != "west")
            await ctx.tick()
        assert taking == set(PORTS) - set(dead)

    run(dut, bench, cycles=10)


def test_a_flit_to_nowhere_disappears():
    dut = DataRouter(2, 2)

    async def bench(ctx):
        for node in ((1, 0), (1, 1)):
            ctx.set(dut.x, node[0])
            ctx.set(dut.y, node[1])
            for x, y in ((2, 0), (1, 2)):
                if (x, node) == (1, (1, 0)):
                    continue   # on its way south still
                ctx.set(dut.i_west.payload, {"x": x, "y": y})
                ctx.set(dut.i_west.valid, 1)
                await ctx.tick()
                ctx.set(dut.i_west.valid, 0)
                for _ in range(4):
                    await ctx.tick()
                    assert not any(ctx.get(getattr(dut, f"o_{port}").valid) for port in PORTS)

    run(dut, bench, cycles=100)
