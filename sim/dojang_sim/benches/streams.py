"""Driving and reading streams in Amaranth's own simulator, with random stalls and a watchdog."""

import random

from amaranth.sim import Simulator

__all__ = ["receive", "run", "send"]


def run(dut, *testbenches, cycles: int, background=()) -> None:
    """Simulate ``dut`` until all ``testbenches`` end; AssertionError if they need more than ``cycles``.

    ``background`` testbenches need not end.
    """
    simulator = Simulator(dut)
    simulator.add_clock(1e-8)

    async def watchdog(ctx):
        # repeat() and until() cannot be abandoned cleanly when another testbench fails: none is used in this module.
        for _ in range(cycles):
            await ctx.tick()
        raise AssertionError(f"the bench did not end within {cycles} cycles")

    for testbench in testbenches:
        simulator.add_testbench(testbench)
    for testbench in (*background, watchdog):
        simulator.add_testbench(testbench, background=True)
    simulator.run()


async def send(ctx, stream, payloads, rng: random.Random | None = None, stall: float = 0.0) -> None:
    """Offer ``payloads`` one after the other, waiting before each with probability ``stall`` a cycle."""
    for payload in payloads:
        while rng and rng.random() < stall:
            await ctx.tick()
        ctx.set(stream.payload, payload)
        ctx.set(stream.valid, 1)
        ready = 0
        while not ready:
            _, _, ready = await ctx.tick().sample(stream.ready)
        ctx.set(stream.valid, 0)


async def receive(ctx, stream, count: int, rng: random.Random | None = None, stall: float = 0.0) -> list:
    """The next ``count`` payloads, not ready with probability ``stall`` a cycle."""
    payloads = []
    while len(payloads) < count:
        if rng and rng.random() < stall:
            await ctx.tick()
            continue
        ctx.set(stream.ready, 1)
        _, _, valid, payload = await ctx.tick().sample(stream.valid, stream.payload)
        ctx.set(stream.ready, 0)
        if valid:
            payloads.append(payload)
    return payloads
