"""Random programs against a sequential reading of isa.py, and mutations of the sequencer that this must catch."""

import random
from dataclasses import replace

import pytest
from amaranth.sim import Simulator
from dojang_hdl import isa
from dojang_hdl.config import preset
from dojang_hdl.isa import Op
from dojang_hdl.node import sequencer as module
from dojang_sim.benches.mutation import mutate

CONFIG = preset("sim-2x2")
CODED = replace(CONFIG, coded=True)
UNITS = {Op.GEMV: 0, Op.VEC: 1, Op.TOPK: 3}
SEEDS = (1, 3, 5, 0, 2, 4)
MEMORY_OPS = (Op.LOAD, Op.STORE, Op.KPUT, Op.VPUT, Op.SPUT, Op.STREAM, Op.TOPK, Op.UNPACK)


def unit_of(op, values):
    if op == Op.STREAM:
        return 4 + values["stream"]
    return UNITS.get(op, 2)


def random_program(rng, length):
    """Instructions as (op, field values); every WAIT's words arrive sooner or later."""
    program = []
    for _ in range(length):
        op = rng.choice([*(op for op in Op if op != Op.END), *[Op.WAIT] * 8])
        values = {name: rng.getrandbits(width) for name, width in isa.HEAD if name in ("a", "b", "d")}
        values["tag"] = rng.choice((0, 0, 0, 1, 2, 3))
        values |= {"n_base": rng.randrange(20), "n_reg": rng.choice((0, 1, 2, 4, 5)), "n_shift": rng.randrange(6),
                   "n_bias": rng.randrange(-300, 300), "n_max": rng.choice((0, 3, 20)), "n_mul": rng.randrange(3)}
        if op in MEMORY_OPS:
            values |= {"addr": rng.getrandbits(24), "channel": rng.randrange(4), "m_reg": rng.choice((0, 1, 2, 4, 7)),
                       "m_shift": rng.randrange(6), "m_bias": 50 * rng.randrange(-255, 256),
                       "m_mul": rng.getrandbits(rng.choice((10, 24))),
                       "stream": rng.getrandbits(2), "wide": rng.getrandbits(1), "lane_reg": rng.choice((0, 1, 2, 5)),
                       "lane_bias": rng.randrange(-200, 200)}
        if op == Op.GEMV:
            values["urgent"] = values["a"] & 1
        program.append((op, values))
    return [*program, (Op.END, {})]


def resolve(op, values, registers):
    """(n, addr, lane index) by the formulas at the top of isa.py and the words on MEM."""
    def dynamic(register, bias, shift):
        return max(registers[register] + bias, 0) >> shift

    n = values.get("n_base", 0)
    n += min(dynamic(values.get("n_reg", 0), values.get("n_bias", 0), values.get("n_shift", 0)),
             values.get("n_max", 0)) * values.get("n_mul", 0)
    addr = values.get("addr", 0) + dynamic(values.get("m_reg", 0), values.get("m_bias", 0),
                                           values.get("m_shift", 0)) * values.get("m_mul", 0)
    index = registers[values.get("lane_reg", 0)] + values.get("lane_bias", 0)
    if op == Op.STREAM and values["wide"]:
        addr += index % CONFIG.acc_rows // CONFIG.lanes * 2 * CONFIG.lanes
    return n & 0xFFFF, addr & 0xFFFFFFFF, index & 0xFFFFFFFF


def check(sequencer_class, seed):
    """Even seeds on a coded chip, odd ones on one without a register for the scale set."""
    rng = random.Random(seed)
    config = CONFIG if seed % 2 else CODED
    dut = sequencer_class(config)
    position, tokens = rng.randrange(5000), [rng.randrange(limit) for limit in (50000, 50000, 50000, 1 << 20)]
    number = rng.randrange(1, 256)
    registers = {0: 0, 1: position, 2: number if config.coded else 0,
                 **{4 + c: token for c, token in enumerate(tokens)}}
    program = random_program(rng, 30)
    arrival_rate = 0.7 if seed % 2 else 0.1
    words = [word for op, values in program for word in isa.encode(op, **values)] + [0] * 6
    issued, arrived = [], [0] * module.TAGS
    wanted = [0] * module.TAGS
    for op, values in program:
        if op == Op.WAIT:
            wanted[values["tag"]] += resolve(op, values, registers)[0]
    expected = [(unit_of(op, values), op, *resolve(op, values, registers)) for op, values in program
                if op not in (Op.NOP, Op.WAIT)]
    # Whose words a unit may take: the mover's are urgent, the engine's as its instruction says.
    urgent = iter([{0: values.get("urgent"), 2: 1}.get(unit_of(op, values)) for op, values in program
                   if op not in (Op.NOP, Op.WAIT)])
    taken_waits, fed = [], []

    async def feed(ctx):
        ctx.set(dut.position, position)
        if config.coded:
            ctx.set(dut.set, number)
        for c, token in enumerate(tokens):
            ctx.set(dut.tokens[c], token)
        ctx.set(dut.words, len(words))
        ctx.set(dut.start, 1)
        await ctx.tick()
        ctx.set(dut.start, 0)
        for word in words:
            while rng.random() < 0.2:
                await ctx.tick()
            ctx.set(dut.program.payload, word)
            ctx.set(dut.program.valid, 1)
            ready = False
            while not ready:
                ready = ctx.get(dut.program.ready)
                await ctx.tick()
            ctx.set(dut.program.valid, 0)
            fed.append(word)

    async def arrive(ctx):
        while True:
            open_tags = [tag for tag in range(module.TAGS) if arrived[tag] < wanted[tag]]
            tag = rng.choice(open_tags) if open_tags and rng.random() < arrival_rate else None
            ctx.set(dut.arrived, 0 if tag is None else 1 << tag)
            if tag is not None:
                arrived[tag] += 1
            await ctx.tick()

    async def units(ctx):
        for _ in range(6000):
            issue = ctx.get(dut.issue)
            if issue:
                unit = issue.bit_length() - 1
                while rng.random() < 0.5:
                    await ctx.tick()
                    assert ctx.get(dut.issue) == issue, "issue must be held until accepted"
                instruction = ctx.get(dut.instruction)
                op = Op(instruction.head.op)
                issued.append((unit, op, instruction.n, instruction.addr, instruction.index))
                assert next(urgent) in (None, ctx.get(dut.urgent)), f"{op.name}: wrong streams"
                taken_waits.append(list(arrived))
                ctx.set(dut.accept, issue)
                await ctx.tick()
                ctx.set(dut.accept, 0)
                if op != Op.STREAM:
                    ctx.set(dut.busy, issue)
                    for _ in range(rng.randrange(1, 5)):
                        await ctx.tick()
                        assert not ctx.get(dut.issue), "issued while a unit is busy"
                        assert ctx.get(dut.active) == unit, "SRAM taken away from a busy unit"
                    ctx.set(dut.busy, 0)
                if op == Op.END:
                    break
            await ctx.tick()
        else:
            raise AssertionError("watchdog: END was not reached")
        await ctx.tick().repeat(4)
        assert not ctx.get(dut.running)
        assert len(fed) == len(words), "words left in the program stream"

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(feed, background=True)
    simulator.add_testbench(arrive, background=True)
    simulator.add_testbench(units)
    simulator.run()

    def compared(entries):
        """Addresses and indices only where the instruction has them."""
        return [(unit, op, n, *((addr, index) if op in MEMORY_OPS else ())) for unit, op, n, addr, index in entries]

    assert compared(issued) == compared(expected)
    # No instruction may be issued before the words of all WAITs ahead of it have arrived.
    waits, seen = [0] * module.TAGS, iter(taken_waits)
    for op, values in program:
        if op == Op.WAIT:
            waits[values["tag"]] += resolve(op, values, registers)[0]
        elif op != Op.NOP:
            snapshot = next(seen)
            assert all(snapshot[tag] >= waits[tag] for tag in range(module.TAGS)), "passed a WAIT too early"


@pytest.mark.parametrize("seed", SEEDS)
def test_random_programs(seed):
    check(module.Sequencer, seed)


MUTATIONS = {
    "clamp missing": ("Mux(head.n_max < n_shifted, head.n_max, n_shifted)", "n_shifted"),
    "negative count": ("Mux(n_sum < 0, 0,", "Mux(0, 0,"),
    "negative address": ("Mux(m_sum < 0, 0, m_sum >> mem.m_shift)", "m_sum >> mem.m_shift"),
    "address base lost": ("sum_high = base + ", "sum_high = 0 + "),
    "row of every stream": ("(head.op == Op.STREAM) & mem.wide", "head.op == Op.STREAM"),
    "row of everything": ("(head.op == Op.STREAM) & mem.wide", "mem.wide"),
    "row of another block": ("m_sum[lane_bits:self", "m_sum[lane_bits + 1:self"),
    "low part of the offset lost": ("m_low + sum_high", "sum_high"),
    "multiplier's high part lost": ("(m_high + m_carry)", "m_carry"),
    "value's high part lost": ("(m_high + m_carry)", "m_high"),
    "count base lost": ("head.n_base + n_product", "n_product"),
    "wait compares with less": ("[head.tag] - target", "[head.tag] - target + 1"),
    "wait does not spend": ("spend.eq(1 << head.tag)", "spend.eq(0)"),
    "wait uses a stale comparison": ('m.next = "COMPARE"', 'm.next = "WAIT"'),
    "wait counts the base only": ("target.eq(before + n_product)", "target.eq(before)"),
    "wait counts no base": ("Array(awaited)[head.tag] + head.n_base", "Array(awaited)[head.tag]"),
    "wait for another tag": ("Array(arrivals)[head.tag]", "arrivals[0]"),
    "lane by the address's register": ("number.eq(mem.lane_reg)", "number.eq(mem.m_reg)"),
    "a short bias of addresses": ("Signal.like(mem.m_bias)", "Signal(signed(9))"),
    "lane by the address's bias": ("bias.eq(mem.lane_bias)", "bias.eq(mem.m_bias)"),
    "streams swapped": ("Unit.STREAMS + mem.stream", "Unit.STREAMS + (mem.stream ^ 1)"),
    "no urgent streams": ("Unit.STREAMS + mem.stream", "Unit.STREAMS + mem.stream[0]"),
    "the engine takes prefetched words": ("self.urgent.eq(gemv.urgent)", "self.urgent.eq(0)"),
    "the mover takes what the engine took": ("unit.eq(Unit.MOVER), self.urgent.eq(1)", "unit.eq(Unit.MOVER)"),
    "does not wait for the unit": ("with m.If(~self.busy.bit_select(unit, 1)):", "with m.If(1):"),
    "wrong register": ("value.eq(self.tokens[c])", "value.eq(self.tokens[0])"),
    "set lost": ("value.eq(self.set)", "value.eq(0)"),
    "set elsewhere": ("isa.Reg.SET", "3"),
    "padding not drained": ("m.d.comb += self.program.ready.eq(left != 0)\n                with m.If(left == 0):",
                            "with m.If(1):"),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_mutation_is_caught(name):
    mutant = mutate(module.__name__, *MUTATIONS[name])
    with pytest.raises((AssertionError, StopIteration)):
        for seed in SEEDS:
            check(mutant.Sequencer, seed)
