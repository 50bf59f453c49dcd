"""What the LEDs of a board show."""

import pytest
from amaranth.sim import Simulator
from dojang_fpga.status_leds import StatusLeds


def simulate(dut, bench):
    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()


def lights(values):
    return {name: getattr(values, name) for name in ("alive", "running", "memory_error", "link_error")}


def test_leds():
    dut = StatusLeds(clock_hz=8)
    seen = []

    async def bench(ctx):
        for cycle in range(24):
            ctx.set(dut.running, cycle == 2)
            ctx.set(dut.memory_error, cycle == 3)
            ctx.set(dut.link_error, cycle in (4, 6))
            await ctx.tick()
            seen.append(lights(ctx.get(dut.lit)))

    simulate(dut, bench)

    def on(name):
        return [cycle for cycle, light in enumerate(seen) if light[name]]

    assert on("alive") == [cycle for cycle in range(24) if cycle % 8 < 4]
    assert on("running") == [2] and on("memory_error") == [3]
    assert on("link_error") == list(range(5, 15))  # a second of 8 cycles after the last one


def test_leds_need_a_clock():
    with pytest.raises(ValueError, match="clock_hz=1, expected at least 2"):
        StatusLeds(1)
