"""cocotb bench of a `RouterMesh`: random multicast traffic, exactly-once in-order delivery, throughput.

Environment: ``MESH_NETWORK``, ``MESH_WIDTH``, ``MESH_HEIGHT``, ``MESH_FLITS`` (flits per input).
"""

import os
import random

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, ReadOnly
from dojang_hdl.isa import Mode
from dojang_hdl.mesh.flit import DataFlit, RequestFlit

from .mesh_traffic import Scoreboard, random_traffic

NETWORK = os.environ["MESH_NETWORK"]
WIDTH, HEIGHT, FLITS = (int(os.environ[f"MESH_{name}"]) for name in ("WIDTH", "HEIGHT", "FLITS"))


def handles(dut, port):
    """Valid, ready and payload of a stream."""
    return (getattr(dut, f"{port}__{name}") for name in ("valid", "ready", "payload"))


class Driver:
    """Offers flits at one input, pausing with probability ``stall``."""

    def __init__(self, dut, port, flits, rng, stall):
        self._valid, self._ready, self._payload = handles(dut, port)
        self._flits, self._rng, self._stall = iter(flits), rng, stall
        self._offered = False
        self._next = next(self._flits, None)

    def drive(self):
        if not self._offered:
            self._offered = self._next is not None and self._rng.random() >= self._stall
            self._valid.value = int(self._offered)
            if self._offered:
                self._payload.value = self._next

    def sample(self):
        if self._offered and int(self._ready.value):
            self._offered = False
            self._next = next(self._flits, None)


class Monitor:
    """Takes flits from one output, not ready with probability ``stall``, and reports them to ``received``."""

    def __init__(self, dut, port, received, rng, stall):
        self._valid, self._ready, self._payload = handles(dut, port)
        self._port, self._received, self._rng, self._stall = port, received, rng, stall
        self._take = False

    def drive(self):
        self._take = self._rng.random() >= self._stall
        self._ready.value = int(self._take)

    def sample(self):
        if self._take and int(self._valid.value):
            self._received(self._port, int(self._payload.value))


def outputs():
    """Ports through which flits leave: nodes on the data network, edges on the request network."""
    kind, count = ("local", WIDTH * HEIGHT) if NETWORK == "data" else ("edge", HEIGHT)
    return [f"{kind}_o{index}" for index in range(count)]


async def run(dut, traffic, received, finished, cycles, rng, stall_in=0.0, stall_out=0.0):
    """Reset, then drive ``traffic`` until ``finished()``; the number of cycles. More than ``cycles`` is a failure."""
    clock = cocotb.start_soon(Clock(dut.clk, 2, unit="step").start())
    for name in [f"local_i{node}" for node in range(WIDTH * HEIGHT)] + [f"edge_i{row}" for row in range(HEIGHT)]:
        getattr(dut, f"{name}__valid").value = 0
    dut.rst.value = 1
    for _ in range(2):
        await FallingEdge(dut.clk)
    dut.rst.value = 0
    agents = [Driver(dut, port, flits, rng, stall_in) for port, flits in traffic.items()]
    agents += [Monitor(dut, port, received, rng, stall_out) for port in outputs()]
    for cycle in range(cycles):
        for agent in agents:
            agent.drive()
        await ReadOnly()
        for agent in agents:
            agent.sample()
        if finished():
            clock.cancel()
            return cycle + 1
        await FallingEdge(dut.clk)
    raise AssertionError(f"watchdog: not finished after {cycles} cycles")


async def deliver(dut, seed, stall_in, stall_out):
    rng = random.Random(seed)
    traffic = random_traffic(NETWORK, WIDTH, HEIGHT, FLITS, rng)
    scoreboard = Scoreboard(NETWORK, WIDTH, HEIGHT, traffic)
    flits = {port: [bits for _, bits in items] for port, items in traffic.items()}
    slowest = min(1 - stall_in, 1 - stall_out)
    limit = int(4 * scoreboard.outstanding / slowest) + 200
    cycles = await run(dut, flits, scoreboard.received, lambda: scoreboard.outstanding == 0, limit, rng,
                       stall_in, stall_out)
    dut._log.info("%d flits in %d cycles", sum(map(len, flits.values())), cycles)


@cocotb.test()
async def without_stalls(dut):
    await deliver(dut, 1, 0.0, 0.0)


@cocotb.test()
async def stalls_at_inputs(dut):
    await deliver(dut, 2, 0.6, 0.0)


@cocotb.test()
async def stalls_at_outputs(dut):
    await deliver(dut, 3, 0.0, 0.6)


@cocotb.test()
async def stalls_everywhere(dut):
    await deliver(dut, 4, 0.3, 0.3)


@cocotb.test()
async def throughput(dut):
    """Flows that share no link each move one flit per cycle, through the longest way there is."""
    count = 100
    if NETWORK == "data":
        flows = {f"edge_i{row}": DataFlit.const({"mode": Mode.UNICAST, "x": WIDTH - 1, "y": row})
                 for row in range(HEIGHT)}
    else:
        flows = {f"local_i{row * WIDTH + WIDTH - 1}": RequestFlit.const({"row": row}) for row in range(HEIGHT)}
    arrived = []
    cycles = await run(dut, {port: [flit.as_bits()] * count for port, flit in flows.items()},
                       lambda port, _: arrived.append(port), lambda: len(arrived) == count * HEIGHT, 4 * count,
                       random.Random(5))
    assert cycles == count + 2 * WIDTH, f"{count} flits over {WIDTH} routers of latency 2 took {cycles} cycles"
