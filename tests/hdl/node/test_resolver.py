"""Random programs against a sequential reading of isa.py, and mutations of the resolver that this must catch."""

import random
from dataclasses import replace
from itertools import pairwise

import pytest
from amaranth.sim import Simulator
from dojang_hdl import isa
from dojang_hdl.config import preset
from dojang_hdl.isa import Context, Op, Reg
from dojang_hdl.node import resolver as module
from dojang_sim.benches.mutation import mutate

CODED = replace(preset("sim-2x2"), contexts=5)
CONFIG = replace(CODED, coded=False)
UNITS = {Op.GEMV: 0, Op.VEC: 1, Op.TOPK: 3}
SEEDS = range(6)
MEMORY_OPS = (Op.LOAD, Op.STORE, Op.KPUT, Op.VPUT, Op.SPUT, Op.STREAM, Op.TOPK, Op.UNPACK)
PADDING = 6, 5000
"""Words behind END: few, and more than can be taken."""

REQUESTED = 9
"""Words that still come when no more are wanted, one less at most."""


def unit_of(op, values):
    return 4 + values["stream"] if op == Op.STREAM else UNITS.get(op, 2)


def random_program(rng, length, contexts):
    """Instructions as (op, field values), of random contexts."""
    program = []
    for _ in range(length):
        op = rng.choice([op for op in Op if op != Op.END])
        values = {name: rng.getrandbits(width) for name, width in isa.HEAD if name in ("tag", "a", "b", "d")}
        values |= {"context": rng.randrange(contexts),
                   "n_base": rng.choice((0, rng.randrange(20))), "n_reg": rng.choice((0, *Reg)),
                   "n_shift": rng.choice((0, rng.randrange(6))), "n_bias": rng.choice((0, rng.randrange(-300, 300))),
                   "n_max": rng.choice((0, 3, 20, 0xFFFF)), "n_mul": rng.randrange(3)}
        if op in MEMORY_OPS:
            values |= {"addr": rng.getrandbits(24), "channel": rng.randrange(4),
                       "m_reg": rng.choice((*Reg, Reg.ROW, Reg.ROW)), "m_shift": rng.randrange(6),
                       "m_bias": rng.choice((50 * rng.randrange(-255, 256), -rng.randrange(100))),
                       "m_mul": rng.getrandbits(rng.choice((10, 24))),
                       "stream": rng.getrandbits(2), "wide": rng.getrandbits(1), "lane_reg": rng.choice((0, *Reg)),
                       "lane_bias": rng.randrange(-200, 200)}
        program.append((op, values))
    return [*program, (Op.END, {"n_base": rng.randrange(2)})]


def resolve(op, values, registers):
    """(n, addr, lane index) by the formulas at the top of isa.py and the words on MEM."""
    registers = registers[values.get("context", 0)]
    n = (registers[values.get("n_reg", 0)] & 0xFFFF) + values.get("n_bias", 0)
    n = values.get("n_base", 0) + min(max(n, 0) >> values.get("n_shift", 0),
                                      values.get("n_max", 0)) * values.get("n_mul", 0)
    register = values.get("m_reg", 0)
    value = max(registers[register] + values.get("m_bias", 0), registers[Reg.START] if register == Reg.ROW else 0)
    addr = values.get("addr", 0) + (value >> values.get("m_shift", 0)) % (1 << 20) * values.get("m_mul", 0)
    index = registers[values.get("lane_reg", 0)] + values.get("lane_bias", 0)
    if op == Op.STREAM and values["wide"]:
        addr += index % CONFIG.acc_rows // CONFIG.lanes * 2 * CONFIG.lanes
    return n & 0xFFFF, addr & 0xFFFFFFFF, index & 0xFFFFFFFF


def run(resolver_class, config, programs, rng, stalls, number=0):
    """Run programs, each (contexts to be told, by number; words); per program its instructions, each with the cycles
    of its first word and of its offer. ``number``: of the set, if there is one."""
    dut, results = resolver_class(config), []

    async def testbench(ctx):
        if config.coded:
            ctx.set(dut.set, number)
        for contexts, words in programs:
            ctx.set(dut.told.valid, 1)
            for context, told in contexts.items():
                ctx.set(dut.told.payload.as_value(), pack_told(context, told))
                await ctx.tick()
            ctx.set(dut.told.valid, 0)
            ctx.set(dut.told.payload.as_value(), -1)
            ctx.set(dut.empty, 1)
            ctx.set(dut.start, 1)
            await ctx.tick()
            ctx.set(dut.start, 0)
            left, offering, held, fetched, seen, dropped = list(words), False, None, [], [], False
            for cycle in range(4000):
                offering = bool(left) and (offering or rng.random() >= stalls[0])
                ctx.set(dut.program.valid, offering)
                ctx.set(dut.program.payload, left[0] if offering else rng.getrandbits(128))
                take = rng.random() >= stalls[1]
                ctx.set(dut.o.ready, take)
                ctx.set(dut.empty, not left)
                if ctx.get(dut.drop) and not dropped:
                    dropped = True
                    del left[rng.randrange(1, REQUESTED) if offering else rng.randrange(REQUESTED):]
                if offering and ctx.get(dut.program.ready):
                    fetched.append(cycle)
                    left.pop(0)
                    offering = False
                valid, instruction = ctx.get(dut.o.valid), ctx.get(dut.o.payload)
                assert held is None or (valid and instruction == held), "an offer must stay until it is taken"
                if valid and held is None:
                    seen.append((instruction, cycle))
                held = instruction if valid and not take else None
                await ctx.tick()
                if valid and take and instruction.head.op == Op.END:
                    assert not left, "words are left in the program stream"
                    break
            else:
                raise AssertionError("watchdog: END was not reached")
            ctx.set(dut.o.ready, 0)
            await ctx.tick().repeat(9)
            assert not ctx.get(dut.o.valid) and not ctx.get(dut.program.ready), "goes on behind END"
            results.append((seen, fetched))

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()
    return results


def pack_told(context, told):
    return context | told.word() << isa.CONTEXT_BITS


def encoded(program):
    return [word for op, values in program for word in isa.encode(op, **values)]


def random_context(rng):
    """Of a sequence that begins anywhere, at positions that windows reach the beginning of or not."""
    return Context(rng.getrandbits(rng.choice((10, 20, 32))), rng.choice((0, rng.randrange(100), rng.randrange(5000))),
                   32 * rng.randrange(1 << 14), bool(rng.getrandbits(1)), bool(rng.getrandbits(1)))


def check(resolver_class, seed):
    """Even seeds on a coded chip, odd ones on one without a register for the scale set."""
    rng = random.Random(seed)
    config = CONFIG if seed % 2 else CODED
    number = rng.randrange(1, 256)
    told = {context: random_context(rng) for context in rng.sample(range(config.contexts), config.contexts)}
    again = {context: random_context(rng) for context in (1, config.contexts - 1)}
    programs = [random_program(rng, 30, config.contexts) for _ in range(2)]
    texts = [(contexts, encoded(program) + [0] * rng.choice((0, *PADDING)))
             for contexts, program in zip((told, again), programs, strict=True)]
    stalls = ((0, 0), (0.6, 0), (0, 0.9), (0.3, 0.5))[seed % 4]
    results = run(resolver_class, config, texts, rng, stalls, number)
    for program, contexts, (seen, _) in zip(programs, (told, told | again), results, strict=True):
        values_of = {context: each.registers(number if config.coded else 0) for context, each in contexts.items()}
        expected = []
        for op, values in program:
            n, addr, index = resolve(op, values, values_of)
            if op == Op.END or (n and op != Op.NOP):
                expected.append((op, unit_of(op, values), *isa.encode(op, **values), n,
                                 *((addr, index) if op in MEMORY_OPS else ())))
        got = [(op := Op(i.head.op), i.unit, i.head.as_bits(), i.rest, i.n,
                *((i.addr, i.index) if op in MEMORY_OPS else ())) for i, _ in seen]
        assert [entry[0] for entry in got] == [entry[0] for entry in expected]
        # A WAIT has no unit.
        assert [entry for entry in got if entry[0] != Op.WAIT] == [entry for entry in expected if entry[0] != Op.WAIT]
        assert [entry[4] for entry in got] == [entry[4] for entry in expected]


@pytest.mark.parametrize("seed", SEEDS)
def test_random_programs(seed):
    check(module.Resolver, seed)


def check_cycles(resolver_class):
    """An instruction every `interval` cycles, also those that do nothing; the first `latency` behind its first word."""
    counts = (3, 1, 0, 2, 0, 0, 7)
    program = [*((Op.STREAM, {"n_base": n}) for n in counts), (Op.NOP, {}), (Op.WAIT, {"n_base": 1}), (Op.END, {})]
    (seen, fetched), = run(resolver_class, CONFIG, [({}, encoded(program))], random.Random(0), (0, 0))
    interval, latency = resolver_class.interval, resolver_class.latency
    assert interval < 2 * 3 and latency < 3 * 3, "no worse than what the reference page says"
    places = [place for place, (op, values) in enumerate(program) if values.get("n_base") or op == Op.END]
    assert [cycle for _, cycle in seen] == [latency + interval * place for place in places]
    first, second = fetched[::2], fetched[1::2]
    assert {after - before for before, after in pairwise(first)} == {interval}
    assert {after - before for before, after in zip(first, second, strict=True)} == {1}


def test_cycles():
    check_cycles(module.Resolver)


def check_windows(resolver_class):
    """A window's first address is that of the sequence's first row at least, and then shifted."""
    position, start = 70, 96
    told = {4: Context(0, position, start), 2: Context(0, 1000, 32)}
    windows = [(-position + over, shift) for over in (-30, -1, 0, 1, 40) for shift in (0, 5, 6)]
    program = [(Op.LOAD, {"context": 4, "n_base": 1, "addr": 1000, "m_reg": Reg.ROW, "m_bias": bias, "m_shift": shift,
                          "m_mul": 7}) for bias, shift in windows]
    text = encoded([*program, (Op.END, {})])
    (seen, _), = run(resolver_class, CODED, [(told, text)], random.Random(0), (0, 0))
    assert [instruction.addr for instruction, _ in seen[:-1]] == [
        1000 + 7 * (start + max(position + bias, 0) >> shift) for bias, shift in windows]


def test_windows():
    check_windows(module.Resolver)


MUTATIONS = {
    "clamp missing": ("Mux(head.n_max < n_shifted, head.n_max, n_shifted)", "n_shifted"),
    "negative count": ("Mux(n_sum < 0, 0,", "Mux(0, 0,"),
    "negative address": ("Mux(below, lowest, m_sum[:32])", "m_sum"),
    "an address before the sequence": ("mem.m_reg == Reg.ROW, registers.start, 0", "0, registers.start, 0"),
    "every address in the sequence": ("mem.m_reg == Reg.ROW, registers.start, 0", "1, registers.start, 0"),
    "clamped behind the shift": ("Mux(below, lowest, m_sum[:32]) >> mem.m_shift",
                                 "Mux(below, lowest, m_sum[:32] >> mem.m_shift)"),
    "clamped a row too far": ("register < m_least", "register < m_least - 1"),
    "clamped without its bias": ("m_least.eq(floor - mem.m_bias)", "m_least.eq(floor)"),
    "address base lost": ("sum_high = base + ", "sum_high = 0 + "),
    "row of every stream": ("(head.op == Op.STREAM) & mem.wide", "head.op == Op.STREAM"),
    "row of everything": ("(head.op == Op.STREAM) & mem.wide", "mem.wide"),
    "row of another block": ("m_sum[lane_bits:self", "m_sum[lane_bits + 1:self"),
    "low part of the offset lost": ("m_low + sum_high", "sum_high"),
    "multiplier's high part lost": ("(m_high + m_carry)", "m_carry"),
    "value's high part lost": ("(m_high + m_carry)", "m_high"),
    "count base lost": ("done.head.n_base + n_product", "n_product"),
    "the next one's count base": ("done.head.n_base + n_product", "head.n_base + n_product"),
    "lane by the address's register": ("number.eq(mem.lane_reg)", "number.eq(mem.m_reg)"),
    "a short bias of addresses": ("Signal.like(mem.m_bias)", "Signal(signed(9))"),
    "lane by the address's bias": ("bias.eq(mem.lane_bias)", "bias.eq(mem.m_bias)"),
    "streams swapped": ("done.rest).stream", "done.rest).stream ^ 1"),
    "no urgent streams": ("done.rest).stream", "done.rest).stream[0]"),
    "unit of the next one": ("with m.Switch(done.head.op):", "with m.Switch(head.op):"),
    "always context 0": ("contexts.context.eq(head.context)", "contexts.context.eq(0)"),
    "a context in two": ("contexts.context.eq(head.context)", "contexts.context.eq(head.context >> 1)"),
    "the next one's context": ("contexts.context.eq(head.context)",
                               "contexts.context.eq(HeadLayout(self.program.payload).context)"),
    "row is the position": ("Reg.ROW: registers.row", "Reg.ROW: registers.position"),
    "long counts of registers": ("register[:16] + head.n_bias", "register[:17] + head.n_bias"),
    "set lost": ("values[Reg.SET] = self.set", "pass"),
    "set elsewhere": ("values[Reg.SET] =", "values[Reg.ZERO] ="),
    "logits always": ("Reg.LOGITS: registers.logits", "Reg.LOGITS: 1"),
    "choice is logits": ("Reg.CHOICE: registers.choice", "Reg.CHOICE: registers.logits"),
    "moves on over what is offered": ("with m.If(~self.o.valid):", "with m.If(1):"),
    "offers what does nothing": ("self.o.valid.eq(n != 0)", "self.o.valid.eq(1)"),
    "leaves END out": ("m.d.sync += self.o.valid.eq(1)\n                    m.next", "m.next"),
    "END before its padding": ("m.Case(Op.NOP, Op.END)", "m.Case(Op.NOP)"),
    "padding as a program": ('m.next = "DRAIN"', "pass"),
    "padding not drained": ("with m.If(self.empty):", "with m.If(1):"),
    "padding not taken": ("[self.program.ready.eq(1), self.drop.eq(1)]", "self.drop.eq(1)"),
    "padding without end": ("[self.program.ready.eq(1), self.drop.eq(1)]", "self.program.ready.eq(1)"),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_mutation_is_caught(name):
    mutant = mutate(module.__name__, *MUTATIONS[name])
    with pytest.raises(AssertionError):
        check_windows(mutant.Resolver)
        for seed in SEEDS:
            check(mutant.Resolver, seed)


def test_a_lost_cycle_is_noticed():
    indent = 20 * " "
    mutant = mutate(module.__name__, indent + "fetch_head()\n", indent + 'm.next = "FETCH_HEAD"\n')
    with pytest.raises(AssertionError):
        check_cycles(mutant.Resolver)


def test_a_register_file_of_one_context_told_again_is_noticed():
    mutant = mutate("dojang_hdl.node.contexts", "write.addr.eq(told.context)", "write.addr.eq(0)", [module.__name__])
    with pytest.raises(AssertionError):
        check(mutant.Resolver, 0)
