import numpy as np
import pytest
from amaranth.sim import Simulator


@pytest.fixture
def run_unit():
    """Runs a unit over operand columns with random gaps, checks latency and idling, returns the answers (uint32).

    With the name of a flag that the unit gives beside each answer, and not while idle, returns those too.
    """

    def run(unit, seed=1, flag=None, **columns):
        count = len(next(iter(columns.values())))
        rows = [dict(zip(columns, map(int, row), strict=True)) for row in zip(*columns.values(), strict=True)]
        starts, answers, flags = [], [], []
        limit = 4 * count + 100

        async def driver(ctx):
            rng = np.random.default_rng(seed)
            cycle = 0
            for row in rows:
                while rng.random() < 0.2:
                    ctx.set(unit.i_valid, 0)
                    for name, value in row.items():
                        ctx.set(getattr(unit, name), ~value)
                    await ctx.tick()
                    cycle += 1
                ctx.set(unit.i_valid, 1)
                for name, value in row.items():
                    ctx.set(getattr(unit, name), value)
                starts.append(cycle)
                await ctx.tick()
                cycle += 1
            ctx.set(unit.i_valid, 0)

        async def monitor(ctx):
            cycle = 0
            while len(answers) < count:
                assert cycle < limit, f"{len(answers)} of {count} answers after {cycle} cycles"
                if ctx.get(unit.o_valid):
                    assert cycle == starts[len(answers)] + unit.latency
                    answers.append(ctx.get(unit.o))
                    flags.append(flag is not None and bool(ctx.get(getattr(unit, flag))))
                else:
                    assert not answers or ctx.get(unit.o) == answers[-1], "an idle unit changed its answer"
                    assert flag is None or not ctx.get(getattr(unit, flag)), "an idle unit raised its flag"
                await ctx.tick()
                cycle += 1

        sim = Simulator(unit)
        sim.add_clock(1e-8)
        sim.add_testbench(driver)
        sim.add_testbench(monitor)
        sim.run()
        return np.array(answers, np.uint32) if flag is None else (np.array(answers, np.uint32), flags)

    return run
