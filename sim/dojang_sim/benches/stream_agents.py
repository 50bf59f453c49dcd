"""cocotb agents for the streams of a Verilated component: driver, monitor and the loop that runs them."""

import random
from collections.abc import Callable, Iterable

from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, ReadOnly

__all__ = ["Driver", "Monitor", "run"]


class Driver:
    """Offers the payloads of ``items`` at input ``port``, pausing with probability ``stall`` a cycle."""

    def __init__(self, dut, port: str, items: Iterable[int], rng: random.Random, stall: float = 0.0):
        self._valid, self._ready, self._payload = _handles(dut, port)
        self._items, self._rng, self._stall = iter(items), rng, stall
        self._offered = False
        self._next = next(self._items, None)
        self._valid.value = 0

    def drive(self):
        if not self._offered:
            self._offered = self._next is not None and self._rng.random() >= self._stall
            self._valid.value = int(self._offered)
            if self._offered:
                self._payload.value = self._next

    def sample(self):
        if self._offered and int(self._ready.value):
            self._offered = False
            self._next = next(self._items, None)


class Monitor:
    """Hands what leaves output ``port`` to ``received``, not ready with probability ``stall`` a cycle."""

    def __init__(self, dut, port: str, received: Callable[[int], None], rng: random.Random, stall: float = 0.0):
        self._valid, self._ready, self._payload = _handles(dut, port)
        self._received, self._rng, self._stall = received, rng, stall
        self._take = False

    def drive(self):
        self._take = self._rng.random() >= self._stall
        self._ready.value = int(self._take)

    def sample(self):
        if self._take and int(self._valid.value):
            self._received(int(self._payload.value))


def _handles(dut, port):
    return (getattr(dut, f"{port}__{name}") for name in ("valid", "ready", "payload"))


async def run(dut, agents: list, finished: Callable[[], bool], cycles: int, reset: bool = True) -> int:
    """Reset the device, run ``agents`` until ``finished()`` and return the cycles; AssertionError after ``cycles``.

    Inputs change at the falling edge and everything is sampled before the rising edge, so that a ready that depends on
    a valid in the same cycle is seen.
    """
    clock = Clock(dut.clk, 2, unit="step")
    clock.start()
    if reset:
        dut.rst.value = 1
        for _ in range(2):
            await FallingEdge(dut.clk)
        dut.rst.value = 0
    else:   # the clock starts with a rising edge, at which nothing must be transferred
        await FallingEdge(dut.clk)
    elapsed = 0
    while not finished():
        assert elapsed < cycles, f"watchdog: not finished after {cycles} cycles"
        for agent in agents:
            agent.drive()
        await ReadOnly()
        for agent in agents:
            agent.sample()
        await FallingEdge(dut.clk)
        elapsed += 1
    clock.stop()
    return elapsed
