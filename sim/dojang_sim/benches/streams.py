"""Driving and reading streams in Amaranth's own simulator, with random stalls and a watchdog."""

import random

from amaranth.sim import Simulator

__all__ = ["receive", "run", "send"]


def run(dut, *testbenches, cycles: int) -> None:
    """Simulate ``dut`` until all ``testbenches`` end; AssertionError if they need more than ``cycles``."""
    simulator = Simulator(dut)
    simulator.add_clock(1e-8)

    async def watchdog(ctx):
        for _ in range(cycles):   # repeat() complains when a failing bench abandons it
            await ctx.tick()
        raise AssertionError(f"the bench did not end within {cycles} cycles")

    for testbench in testbenches:
        simulator.add_testbench(testbench)
    simulator.add_testbench(watchdog, background=True)
    simulator.run()


async def send(ctx, stream, payloads, rng: random.Random | None = None, stall: float = 0.0) -> None:
    """Offer ``payloads`` one after the other, waiting before each with probability ``stall`` a cycle."""
    for payload in payloads:
        while stall and rng.random() < stall:
            await ctx.tick()
        ctx.set(stream.payload, payload)
        ctx.set(stream.valid, 1)
        await ctx.tick().until(stream.ready)
        ctx.set(stream.valid, 0)


async def receive(ctx, stream, count: int, rng: random.Random | None = None, stall: float = 0.0) -> list:
    """The next ``count`` payloads, not ready with probability ``stall`` a cycle."""
    payloads = []
    while len(payloads) < count:
        if stall and rng.random() < stall:
            await ctx.tick()
            continue
        ctx.set(stream.ready, 1)
        valid, payload = await ctx.tick().sample(stream.valid, stream.payload)
        ctx.set(stream.ready, 0)
        if valid:
            payloads.append(payload)
    return payloads
