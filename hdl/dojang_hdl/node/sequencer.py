"""The sequencer executes a node's program: it hands each instruction to its unit when its turn has come."""

from amaranth.hdl import Array, Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .. import isa
from ..config import WORD_BITS, ChipConfig
from ..isa import Op
from .contexts import ToldContext
from .instruction import GemvLayout, Instruction, Unit
from .resolver import Resolver

__all__ = ["TAGS", "Sequencer"]

TAGS = 4
"""Arrival counters of a node."""

COUNT_BITS = 20
"""Of the counts of words: more may not have arrived before their WAIT than half of what they can say."""


class Sequencer(wiring.Component):
    """Issues instructions in order, one at a time; see isa.Op for what each does.

    The next ones are fetched and resolved meanwhile (`Resolver`), and one is issued in the cycle after that in which
    `busy` has fallen. Before that,

    * a STREAM is, at once: one of urgent words not while the mover works, which may still write them;
    * a WAIT ends when its words are there.

    So instructions take the time of their units, or `Resolver.interval` cycles if that is more: STREAM, and WAIT for
    what is there. END is executed when no more padding comes behind it; then `running` falls.

    Members
    -------
    start, told, set, program, drop, empty: as of `Resolver`; not while `running`.
    running: from ``start`` until END has been executed.
    instruction: the resolved instruction, valid while `issue` is high; changes in the cycle after ``accept``.
    issue: one bit per `Unit`; held until the unit's bit of `accept` answers. Depends on registers only.
    busy: of the units of `active`, from the cycle after acceptance on.
    active, urgent: the unit that owns the SRAM ports, the one accepted last; units take words of the urgent streams.
        They change in the cycle after acceptance, when no unit is busy.
    arrived: a word arrived under tag i.
    """

    def __init__(self, config: ChipConfig):
        self._config = config
        super().__init__({
            "start": In(1),
            "running": Out(1),
            "told": In(stream.Signature(ToldContext)),
            **({"set": In(isa.SET_BITS)} if config.coded else {}),
            "program": In(stream.Signature(WORD_BITS)), "drop": Out(1), "empty": In(1),
            "instruction": Out(Instruction),
            "issue": Out(Unit.COUNT),
            "accept": In(Unit.COUNT),
            "busy": In(Unit.STREAMS),
            "active": Out(range(Unit.STREAMS)),
            "urgent": Out(1),
            "arrived": In(TAGS),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.resolver = resolver = Resolver(self._config)
        wiring.connect(m, wiring.flipped(self.program), resolver.program)
        wiring.connect(m, wiring.flipped(self.told), resolver.told)
        m.d.comb += [resolver.start.eq(self.start), resolver.empty.eq(self.empty), self.drop.eq(resolver.drop)]
        if self._config.coded:
            m.d.comb += resolver.set.eq(self.set)
        instruction = self.instruction
        head, unit = instruction.head, instruction.unit
        m.d.comb += instruction.eq(resolver.o.payload)

        # Arrived and awaited words, both counted on and on: a WAIT is over when the former are not behind.
        arrivals = [Signal(COUNT_BITS, name=f"arrivals{tag}") for tag in range(TAGS)]
        awaited = [Signal(COUNT_BITS, name=f"awaited{tag}") for tag in range(TAGS)]
        target, ahead = Signal(COUNT_BITS), Signal(COUNT_BITS)
        spend, enough = Signal(TAGS), Signal()
        for tag in range(TAGS):
            m.d.sync += arrivals[tag].eq(arrivals[tag] + self.arrived[tag])
            with m.If(spend[tag]):
                m.d.sync += awaited[tag].eq(target)
        m.d.sync += target.eq(Array(awaited)[head.tag] + instruction.n)
        m.d.comb += ahead.eq(Array(arrivals)[head.tag] - target)
        m.d.sync += enough.eq(~ahead[-1])

        # Many bits hang on `issue`, and some units' busy comes late, hence the register.
        idle, may, accepted = Signal(), Signal(), Signal()
        of_stream, of_urgent = unit[-1], unit[1]
        m.d.comb += [
            may.eq(idle | (of_stream & (~of_urgent | (self.active != Unit.MOVER)))),
            accepted.eq((self.accept & self.issue).any()),
        ]
        m.d.sync += idle.eq(~self.busy.any() & ~accepted)
        with m.If(self.start):
            m.d.sync += self.running.eq(1)
        with m.FSM():
            with m.State("ISSUE"):
                with m.If(resolver.o.valid):
                    with m.If(head.op == Op.WAIT):
                        m.next = "COMPARE"
                    with m.Else():
                        m.d.comb += [self.issue.eq(may << unit), resolver.o.ready.eq(accepted)]
                        with m.If(accepted & ~of_stream):
                            m.d.sync += self.active.eq(unit)
                            with m.Switch(unit):
                                with m.Case(Unit.ENGINE):
                                    m.d.sync += self.urgent.eq(data.View(GemvLayout, instruction.rest).urgent)
                                with m.Case(Unit.MOVER):
                                    m.d.sync += self.urgent.eq(1)
                        with m.If(accepted & (head.op == Op.END)):
                            m.next = "END"
            with m.State("COMPARE"):
                m.next = "WAIT"  # `enough` is registered: one cycle for the new count
            with m.State("WAIT"):
                with m.If(enough):
                    m.d.comb += [spend.eq(1 << head.tag), resolver.o.ready.eq(1)]
                    m.next = "ISSUE"
            with m.State("END"):
                with m.If(idle):
                    m.d.sync += self.running.eq(0)
                    m.next = "ISSUE"
        return m
