"""cocotb bench of a `RouterMesh`: random multicast traffic, exactly-once in-order delivery, throughput.

Environment: ``MESH_NETWORK``, ``MESH_WIDTH``, ``MESH_HEIGHT``, ``MESH_FLITS`` (flits per input).
"""

import os
import random
from functools import partial

import cocotb
from dojang_hdl.isa import Mode
from dojang_hdl.mesh.flit import DataFlit, RequestFlit

from .mesh_traffic import Scoreboard, random_traffic
from .stream_agents import Driver, Monitor, run

NETWORK = os.environ["MESH_NETWORK"]
WIDTH, HEIGHT, FLITS = (int(os.environ[f"MESH_{name}"]) for name in ("WIDTH", "HEIGHT", "FLITS"))


def outputs():
    """Ports through which flits leave: nodes on the data network, edges on the request network."""
    kind, count = ("local", WIDTH * HEIGHT) if NETWORK == "data" else ("edge", HEIGHT)
    return [f"{kind}_o{index}" for index in range(count)]


async def transfer(dut, traffic, received, finished, cycles, rng, stall_in=0.0, stall_out=0.0):
    """Drive ``traffic`` {port: [bits]}, hand (port, bits) to ``received`` until ``finished()``; cycles it took."""
    ports = [f"local_i{node}" for node in range(WIDTH * HEIGHT)] + [f"edge_i{row}" for row in range(HEIGHT)]
    agents = [Driver(dut, port, traffic.get(port, ()), rng, stall_in) for port in ports]
    agents += [Monitor(dut, port, partial(received, port), rng, stall_out) for port in outputs()]
    return await run(dut, agents, finished, cycles)


async def deliver(dut, seed, stall_in, stall_out):
    rng = random.Random(seed)
    traffic = random_traffic(NETWORK, WIDTH, HEIGHT, FLITS, rng)
    scoreboard = Scoreboard(NETWORK, WIDTH, HEIGHT, traffic)
    flits = {port: [bits for _, bits in items] for port, items in traffic.items()}
    slowest = min(1 - stall_in, 1 - stall_out)
    limit = int(4 * scoreboard.outstanding / slowest) + 200
    cycles = await transfer(dut, flits, scoreboard.received, lambda: scoreboard.outstanding == 0, limit, rng,
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
    cycles = await transfer(dut, {port: [flit.as_bits()] * count for port, flit in flows.items()},
                            lambda port, _: arrived.append(port), lambda: len(arrived) == count * HEIGHT, 4 * count,
                            random.Random(5))
    assert cycles == count + 2 * WIDTH, f"{count} flits over {WIDTH} routers of latency 2 took {cycles} cycles"
