"""The harness: every input bit and every output bit takes part, with the delays that its docstring states."""

import gc
import random

import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator
from dojang_fpga.harness import Harness

CYCLES = 400


class Adder(wiring.Component):
    """A registered sum, a combinational product bit and a nested stream: one of each kind of port."""

    a: In(5)
    b: In(data.StructLayout({"low": 2, "high": 3}))
    s: In(stream.Signature(4))
    total: Out(6)
    both: Out(1)
    o: Out(stream.Signature(4))

    def elaborate(self, platform):
        m = Module()
        m.d.sync += self.total.eq(self.a + self.b.as_value())
        m.d.comb += [self.both.eq(self.a[0] & self.b.high[2]), self.o.payload.eq(~self.s.payload),
                     self.o.valid.eq(self.s.valid), self.s.ready.eq(self.o.ready)]
        return m


def parity(value):
    return value.bit_count() & 1


def expected(bits):
    """Parity of Adder's outputs per cycle; ``bits[t]`` is what was shifted in during cycle t."""
    parities, total = [], 0
    for t in range(len(bits)):
        # Newest bit lowest. Order of the signature: a, b, s.payload, s.valid, o.ready (an input by its flow).
        state = sum(bits[t - 1 - k] << k for k in range(16) if t - 1 - k >= 0)
        a, b, payload, valid, ready = (state & 31, state >> 5 & 31, state >> 10 & 15, state >> 14 & 1, state >> 15)
        outputs = parity(total) ^ (a & b >> 4 & 1) ^ parity(~payload & 15) ^ valid ^ ready
        parities.append(outputs)
        total = a + b
    return parities


def test_bits_reach_the_component_and_come_back():
    harness = Harness(Adder())
    # 16 inputs; 13 outputs captured, then 4 and 1 after folding by four.
    assert harness.latency == 3
    rng = random.Random(7)
    bits, seen = [rng.randrange(2) for _ in range(CYCLES)], []

    async def bench(ctx):
        for bit in bits:
            ctx.set(harness.i, bit)
            seen.append(ctx.get(harness.o))
            await ctx.tick()

    simulator = Simulator(harness)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run_until((CYCLES + 10) * 1e-6)
    assert len(seen) == CYCLES
    start = harness.latency + 1  # before it, the reset value of the capture register is folded
    assert seen[start:] == expected(bits)[1:CYCLES - harness.latency]


@pytest.mark.filterwarnings("ignore::amaranth.hdl.UnusedElaboratable")
def test_component_without_outputs_is_refused():
    class Sink(wiring.Component):
        i: In(3)

        def elaborate(self, platform):
            m = Module()
            m.d.sync += Signal(3).eq(self.i)
            return m

    with pytest.raises(ValueError, match="Sink has no outputs") as error:
        Harness(Sink())
    del error
    gc.collect()  # neither is ever elaborated: Amaranth warns now, not in another test
