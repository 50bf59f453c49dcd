"""Which instruction is issued when: random programs on random units, and mutations of the sequencer."""

import random
from dataclasses import dataclass
from itertools import count

import pytest
from amaranth.hdl import ResetInserter, Signal
from amaranth.sim import Simulator
from dojang_hdl import isa
from dojang_hdl.config import preset
from dojang_hdl.isa import URGENT, Op, Stream
from dojang_hdl.node import sequencer as module
from dojang_hdl.node.instruction import Unit
from dojang_hdl.node.resolver import Resolver
from dojang_sim.benches.mutation import mutate

CONFIG = preset("sim-2x2")
UNITS = {Op.GEMV: Unit.ENGINE, Op.VEC: Unit.VECTOR, Op.TOPK: Unit.CANDIDATES}
SEEDS = range(6)
QUIET = 400
"""Cycles in which nothing is issued and no word arrives: something hangs."""


@dataclass
class Issued:
    """An instruction that was accepted, by its place in the program, the cycle of its offer, words that had arrived."""

    place: int
    offered: int
    arrived: list[int]


@dataclass
class Units:
    """How units behave: cycles of work, the chance that one accepts in a cycle, and that a word arrives."""

    work: tuple[int, ...] = (1, 2, 3, 30)
    accepts: float = 0.6
    arrives: float = 0.3
    feeds: float = 0.9


def unit_of(op, values):
    return Unit.STREAMS + values["stream"] if op == Op.STREAM else UNITS.get(op, Unit.MOVER)


def random_program(rng, length):
    """Instructions as (op, field values), some of which do nothing; every word of a WAIT arrives sooner or later."""
    ops = [*(op for op in Op if op != Op.END), *[Op.WAIT] * 4, *[Op.STREAM] * 6]
    program = []
    for place in range(length):
        op = rng.choice(ops)
        values = {"n_base": rng.choice((0, rng.randrange(1, 20))), "tag": rng.choice((0, 0, 0, 1, 2, 3)), "a": place}
        if op == Op.STREAM:
            values["stream"] = rng.choice([*Stream])
        if op == Op.GEMV:
            values["urgent"] = rng.getrandbits(1)
        program.append((op, values))
    return [*program, (Op.END, {"a": length})]


def run(sequencer_class, program, rng, units, interrupted=0):
    """Run a program; checks in every cycle what must hold. Returns what was issued.

    ``interrupted``: before that, run it for so many cycles on units that do anything, and reset.
    """
    reset = Signal()
    dut = ResetInserter(reset)(sequencer_class(CONFIG))
    text = [word for op, values in program for word in isa.encode(op, **values)] + [0] * (2 * QUIET)
    wanted = [sum(values["n_base"] for op, values in program if op == Op.WAIT and values["tag"] == tag)
              for tag in range(module.TAGS)]
    issued: list[Issued] = []

    async def testbench(ctx):
        async def start():
            ctx.set(dut.start, 1)
            await ctx.tick()
            ctx.set(dut.start, 0)
            assert ctx.get(dut.running)

        if interrupted:
            await start()
            at = 0
            ctx.set(dut.program.valid, 1)
            for _ in range(interrupted):
                ctx.set(dut.program.payload, text[at])
                for signal in (dut.accept, dut.busy, dut.arrived):
                    ctx.set(signal, rng.getrandbits(len(signal)))
                at = min(at + ctx.get(dut.program.ready), len(text) - 1)
                await ctx.tick()
            for signal in (dut.program.valid, dut.accept, dut.busy, dut.arrived):
                ctx.set(signal, 0)
            ctx.set(reset, 1)
            await ctx.tick()
            ctx.set(reset, 0)
            assert not ctx.get(dut.running) and not ctx.get(dut.issue)
        await start()
        words, arrived, offering = list(text), [0] * module.TAGS, False
        at_work, left = None, 0            # the unit that executes, its cycles of work
        owner = 0, 0                       # what `active` and `urgent` must be
        held, offered = None, 0
        latest = 0                         # cycle in which something happened
        for cycle in count():
            assert cycle - latest < QUIET, "watchdog: END was not reached"
            offering = bool(words) and (offering or rng.random() < units.feeds)
            ctx.set(dut.program.valid, offering)
            ctx.set(dut.program.payload, words[0] if offering else rng.getrandbits(128))
            ctx.set(dut.empty, not words)
            if ctx.get(dut.drop):
                del words[4:]
            if offering and ctx.get(dut.program.ready):
                words.pop(0)
                offering = False
            open_tags = [tag for tag in range(module.TAGS) if arrived[tag] < wanted[tag]]
            tag = rng.choice(open_tags) if open_tags and rng.random() < units.arrives else None
            ctx.set(dut.arrived, 0 if tag is None else 1 << tag)
            ctx.set(dut.busy, 1 << at_work if left else 0)
            assert (ctx.get(dut.active), ctx.get(dut.urgent)) == owner, "taken away from a unit"
            assert ctx.get(dut.running)

            issue, instruction = ctx.get(dut.issue), ctx.get(dut.instruction)
            if held is None:
                offered = cycle
            else:
                assert (issue, instruction) == held, "issue must be held until accepted"
            accept = issue if rng.random() < units.accepts else 0
            ctx.set(dut.accept, accept | ~issue & rng.getrandbits(Unit.COUNT))
            held = (issue, instruction) if issue and not accept else None
            new = None
            if issue:
                place = instruction.head.a
                op, values = program[place]
                unit = unit_of(op, values)
                assert (issue, instruction.head.op) == (1 << unit, op)
                if left:
                    assert op == Op.STREAM, f"{op.name} while a unit works"
                    assert values["stream"] not in URGENT or at_work != Unit.MOVER, "reads what may not be written"
                if accept:
                    duration = 0 if op == Op.STREAM else rng.choice(units.work)
                    issued.append(Issued(place, offered, list(arrived)))
                    if op != Op.STREAM:
                        new = unit, duration
                        owner = unit, {Unit.ENGINE: values.get("urgent"), Unit.MOVER: 1}.get(unit, owner[1])
            await ctx.tick()
            if tag is not None:
                arrived[tag] += 1
            if accept or tag is not None:
                latest = cycle
            at_work, left = new or (at_work, max(left - 1, 0))
            if issued and program[issued[-1].place][0] == Op.END and not left:
                break
        ctx.set(dut.accept, 0)
        ctx.set(dut.busy, 0)
        await ctx.tick().repeat(2)
        assert not words, "words left in the program stream"
        assert not ctx.get(dut.running) and not ctx.get(dut.issue)

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()
    return issued


def check(sequencer_class, seed):
    rng = random.Random(seed)
    program = random_program(rng, 40)
    units = Units(accepts=rng.choice((0.3, 1)), arrives=rng.choice((0.03, 0.7)), feeds=rng.choice((0.5, 1)))
    issued = run(sequencer_class, program, rng, units, interrupted=rng.randrange(100) if seed % 2 else 0)
    expected = [place for place, (op, values) in enumerate(program)
                if op == Op.END or (values["n_base"] and op not in (Op.NOP, Op.WAIT))]
    assert [entry.place for entry in issued] == expected
    # No instruction may be issued before the words of all WAITs ahead of it have arrived.
    for entry in issued:
        for tag in range(module.TAGS):
            awaited = sum(values["n_base"] for op, values in program[:entry.place]
                          if op == Op.WAIT and values["tag"] == tag)
            assert entry.arrived[tag] >= awaited, "passed a WAIT too early"


@pytest.mark.parametrize("seed", SEEDS)
def test_random_programs(seed):
    check(module.Sequencer, seed)


VEC, LOAD, WAIT = (Op.VEC, {}), (Op.LOAD, {}), (Op.WAIT, {})
GEMV = Op.GEMV, {"urgent": 0}
PREFETCH, URGENT_READ = (Op.STREAM, {"stream": Stream.SCALES}), (Op.STREAM, {"stream": Stream.URGENT_SCALES})
NOTHING = (Op.VEC, {"n_base": 0})

TIMES = {
    # unit's cycles of work, instructions, cycle of each one's issue after the first one's
    "streams": (0, [PREFETCH, URGENT_READ, PREFETCH], [5, 10]),
    "streams pass a unit": (40, [VEC, PREFETCH, URGENT_READ, PREFETCH], [5, 10, 15]),
    "urgent streams do not pass the mover": (40, [LOAD, PREFETCH, URGENT_READ, PREFETCH], [5, 42, 45]),
    "units follow at once": (40, [VEC, GEMV, LOAD, VEC], [42, 84, 126]),
    "short units": (1, [VEC, GEMV, LOAD, VEC], [5, 10, 15]),
    "nothing": (40, [VEC, NOTHING, (Op.NOP, {}), NOTHING, PREFETCH], [20]),
    "behind a stream behind a unit": (12, [VEC, PREFETCH, GEMV], [5, 14]),
    "what has arrived is not waited for": (40, [VEC, WAIT, WAIT, PREFETCH, GEMV], [15, 42]),
}


def check_times(sequencer_class, name):
    """Nothing stalls and all words are there: the cycles are those of the sequencer."""
    work, program, times = TIMES[name]
    program = [(op, {"n_base": 1, "tag": 0, "a": place} | values)
               for place, (op, values) in enumerate([*program, (Op.END, {})])]
    issued = run(sequencer_class, program, random.Random(0), Units((work,), 1, 1, 1))[:-1]
    assert [entry.offered - issued[0].offered for entry in issued[1:]] == times


@pytest.mark.parametrize("name", TIMES)
def test_times(name):
    assert Resolver.interval == 5, "the table is made for it"
    check_times(module.Sequencer, name)


MUTATIONS = {
    "wait compares with less": ("[head.tag] - target", "[head.tag] - target + 1"),
    "wait does not spend": ("spend.eq(1 << head.tag)", "spend.eq(0)"),
    "wait uses a stale comparison": ('m.next = "COMPARE"', 'm.next = "WAIT"'),
    "wait counts nothing": ("Array(awaited)[head.tag] + instruction.n", "Array(awaited)[head.tag]"),
    "wait for another tag": ("Array(arrivals)[head.tag]", "arrivals[0]"),
    "wait of another tag": ("Array(awaited)[head.tag]", "awaited[0]"),
    "wait is not over": ("resolver.o.ready.eq(1)", "resolver.o.ready.eq(0)"),
    "wait is executed": ("with m.If(head.op == Op.WAIT):", "with m.If(0):"),
    "the engine takes prefetched words": ("data.View(GemvLayout, instruction.rest).urgent", "0"),
    "the mover takes what the engine took": ("self.urgent.eq(1)", "self.urgent.eq(self.urgent)"),
    "streams take the SRAM": ("with m.If(accepted & ~of_stream):", "with m.If(accepted):"),
    "the SRAM before acceptance": ("with m.If(accepted & ~of_stream):", "with m.If(~of_stream):"),
    "does not wait for the unit": ("may.eq(idle | ", "may.eq(1 | "),
    "waits for one unit only": ("~self.busy.any()", "~self.busy[0]"),
    "does not wait for the unit to begin": (" & ~accepted)", ")"),
    "urgent words pass the mover": ("self.active != Unit.MOVER", "1"),
    "urgent words pass another unit": ("self.active != Unit.MOVER", "self.active != Unit.VECTOR"),
    "prefetching waits": ("~of_urgent | ", ""),
    "streams wait": ("idle | (of_stream &", "idle | (0 &"),
    "goes on before acceptance": ("resolver.o.ready.eq(accepted)", "resolver.o.ready.eq(self.issue.any())"),
    "another's acceptance": ("(self.accept & self.issue).any()", "self.accept.any() & self.issue.any()"),
    "END is not waited for": ("with m.If(idle):", "with m.If(1):"),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_mutation_is_caught(name):
    mutant = mutate(module.__name__, *MUTATIONS[name])
    with pytest.raises(AssertionError):
        for case in TIMES:
            check_times(mutant.Sequencer, case)
        for seed in SEEDS:
            check(mutant.Sequencer, seed)
