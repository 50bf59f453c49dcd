"""The sequencer executes a node's program: it resolves dynamic values and hands each instruction to its unit."""

from amaranth.hdl import Array, Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .. import isa
from ..config import WORD_BITS, ChipConfig
from ..isa import Op

__all__ = ["TAGS", "Instruction", "Sequencer", "Unit", "field_layout"]

TAGS = 4
"""Arrival counters of a node."""


def field_layout(fields) -> data.StructLayout:
    """The Amaranth layout of one of isa's field tables."""
    return data.StructLayout({name: signed(width) if name in isa.SIGNED else width for name, width in fields})


HeadLayout, MemLayout, GemvLayout = (field_layout(fields) for fields in (isa.HEAD, isa.MEM, isa.GEMV))

Instruction = data.StructLayout({"head": HeadLayout, "rest": WORD_BITS, "n": 16, "addr": 32, "index": 32})
"""An instruction whose dynamic values are resolved. `rest` is its high word; `index` is the lane position."""


class Unit:
    """Which unit executes an opcode."""

    ENGINE, VECTOR, MOVER, CANDIDATES = range(4)
    STREAMS = 4   # and the following ones, in the order of isa.Stream
    COUNT = STREAMS + len(isa.Stream)


COUNT_BITS = 20
"""Of the counts of words: more may not have arrived before their WAIT than half of what they can say."""

PART = 18
"""Width of the FPGAs' multipliers: a wider product is the sum of several, one stage later."""


class Sequencer(wiring.Component):
    """Executes instructions in order, one at a time; see isa.Op for what each does.

    An instruction takes 9 cycles of its own, then as long as its unit is busy. STREAM only waits for a place in the
    reader's queue. END takes the words that follow it (padding) off the program stream, reports, and `running` falls.

    Members
    -------
    start: begins execution of a program of `words` words; position, set and tokens are then stable until END.
    set: of scales and gains; coded chips only, the register reads as 0 on others.
    program: In stream of program words.
    instruction: the resolved instruction, valid while `issue` is high.
    issue: one bit per `Unit`; held until the unit's bit of `accept` answers.
    busy: the units' busy flags.
    active: the unit that owns the SRAM ports.
    urgent: the units take words of the urgent streams; changes only between instructions.
    arrived: a word arrived under tag i.
    """

    def __init__(self, config: ChipConfig):
        self._config = config
        super().__init__({
            "start": In(1),
            "running": Out(1),
            "words": In(24),
            "position": In(16),
            **({"set": In(isa.SET_BITS)} if config.coded else {}),
            "tokens": In(data.ArrayLayout(32, 4)),
            "program": In(stream.Signature(WORD_BITS)),
            "instruction": Out(Instruction),
            "issue": Out(Unit.COUNT),
            "accept": In(Unit.COUNT),
            "busy": In(Unit.COUNT),
            "active": Out(range(Unit.COUNT)),
            "urgent": Out(1),
            "arrived": In(TAGS),
        })

    def elaborate(self, platform):
        m = Module()
        instruction = self.instruction
        head, mem = instruction.head, data.View(MemLayout, instruction.rest)
        gemv = data.View(GemvLayout, instruction.rest)

        # Arrived and awaited words, both counted on and on: a WAIT is over when the former are not behind.
        arrivals = [Signal(COUNT_BITS, name=f"arrivals{tag}") for tag in range(TAGS)]
        awaited = [Signal(COUNT_BITS, name=f"awaited{tag}") for tag in range(TAGS)]
        before, target, ahead = Signal(COUNT_BITS), Signal(COUNT_BITS), Signal(COUNT_BITS)
        spend, enough = Signal(TAGS), Signal()
        for tag in range(TAGS):
            m.d.sync += arrivals[tag].eq(arrivals[tag] + self.arrived[tag])
            with m.If(spend[tag]):
                m.d.sync += awaited[tag].eq(target)
        m.d.comb += ahead.eq(Array(arrivals)[head.tag] - target)
        m.d.sync += enough.eq(~ahead[-1])

        # One multiplexer for the three registers an instruction may name, in three states.
        number, value, register = Signal(3), Signal(32), Signal(32)
        with m.Switch(number):
            with m.Case(isa.Reg.POS):
                m.d.comb += value.eq(self.position)
            if self._config.coded:
                with m.Case(isa.Reg.SET):
                    m.d.comb += value.eq(self.set)
            for c in range(4):
                with m.Case(isa.Reg.TOKEN0 + c):
                    m.d.comb += value.eq(self.tokens[c])
        m.d.sync += register.eq(value)

        n_sum, m_sum = Signal(signed(18)), Signal(signed(33))   # the latter also of the lane position
        n_shifted, n_value, m_value = Signal(17), Signal(16), Signal(20)
        n_product = Signal(16)
        # A STREAM of a row begins 2 * lanes words further for every unit before the row in its block.
        lane_bits = self._config.lanes.bit_length() - 1
        unit_of_row = m_sum[lane_bits:self._config.acc_rows.bit_length() - 1]
        base = Signal(32)
        m_low, m_high, m_carry = Signal(32), Signal(32 - PART), Signal(32 - PART)   # m_value * m_mul in parts
        bias = Signal.like(mem.m_bias)
        unit = Signal(range(Unit.COUNT))
        m.d.comb += self.active.eq(unit)

        left = Signal(24)
        with m.If(self.start):
            m.d.sync += left.eq(self.words)
        with m.Elif(self.program.valid & self.program.ready):
            m.d.sync += left.eq(left - 1)

        with m.FSM() as fsm:
            m.d.comb += self.running.eq(~fsm.ongoing("IDLE"))
            with m.State("IDLE"):
                with m.If(self.start):
                    m.next = "FETCH_HEAD"
            with m.State("FETCH_HEAD"):
                m.d.comb += self.program.ready.eq(1)
                m.d.sync += instruction.head.eq(self.program.payload)
                with m.If(self.program.valid):
                    m.next = "FETCH_REST"
            with m.State("FETCH_REST"):
                m.d.comb += self.program.ready.eq(1)
                m.d.comb += number.eq(head.n_reg)
                m.d.sync += instruction.rest.eq(self.program.payload)
                with m.If(self.program.valid):
                    m.next = "BIAS"
            with m.State("BIAS"):
                m.d.comb += number.eq(mem.m_reg)
                m.d.sync += n_sum.eq(register[:16] + head.n_bias)
                with m.Switch(head.op):
                    with m.Case(Op.GEMV):
                        m.d.sync += [unit.eq(Unit.ENGINE), self.urgent.eq(gemv.urgent)]
                    with m.Case(Op.VEC):
                        m.d.sync += unit.eq(Unit.VECTOR)
                    with m.Case(Op.TOPK):
                        m.d.sync += unit.eq(Unit.CANDIDATES)
                    with m.Case(Op.STREAM):
                        m.d.sync += unit.eq(Unit.STREAMS + mem.stream)
                    with m.Default():
                        m.d.sync += [unit.eq(Unit.MOVER), self.urgent.eq(1)]
                m.next = "SHIFT"
            with m.State("SHIFT"):
                m.d.comb += [number.eq(mem.lane_reg), bias.eq(mem.m_bias)]
                m.d.sync += [n_shifted.eq(Mux(n_sum < 0, 0, n_sum >> head.n_shift)), m_sum.eq(register + bias)]
                m.next = "CLAMP"
            with m.State("CLAMP"):
                m.d.comb += bias.eq(mem.lane_bias)
                m.d.sync += [n_value.eq(Mux(head.n_max < n_shifted, head.n_max, n_shifted)),
                             m_value.eq(Mux(m_sum < 0, 0, m_sum >> mem.m_shift)), m_sum.eq(register + bias)]
                m.next = "MULTIPLY"
            with m.State("MULTIPLY"):
                m.d.sync += [
                    base.eq(mem.addr + (Mux((head.op == Op.STREAM) & mem.wide, unit_of_row, 0) << lane_bits + 1)),
                    n_product.eq(n_value * head.n_mul),
                    m_low.eq(m_value[:PART] * mem.m_mul[:PART]),
                    m_high.eq(m_value[:32 - PART] * mem.m_mul[PART:]),
                    m_carry.eq(m_value[PART:] * mem.m_mul[:32 - PART]),
                    instruction.index.eq(m_sum),
                    before.eq(Array(awaited)[head.tag] + head.n_base),
                ]
                m.next = "ADD"
            with m.State("ADD"):
                # The parts above bit PART meet the address in a short adder before the long one.
                sum_high = base + (((m_high + m_carry)[:32 - PART]) << PART)
                m.d.sync += [instruction.n.eq(head.n_base + n_product), instruction.addr.eq(m_low + sum_high),
                             target.eq(before + n_product)]
                with m.Switch(head.op):
                    with m.Case(Op.NOP):
                        m.next = "FETCH_HEAD"
                    with m.Case(Op.WAIT):
                        m.next = "COMPARE"
                    with m.Case(Op.END):
                        m.next = "DRAIN"
                    with m.Default():
                        m.next = "ISSUE"
            with m.State("DRAIN"):
                m.d.comb += self.program.ready.eq(left != 0)
                with m.If(left == 0):
                    m.next = "ISSUE"
            with m.State("COMPARE"):
                m.next = "WAIT"  # `enough` is registered: one cycle for the new count
            with m.State("WAIT"):
                with m.If(enough):
                    m.d.comb += spend.eq(1 << head.tag)
                    m.next = "FETCH_HEAD"
            with m.State("ISSUE"):
                m.d.comb += self.issue.eq(1 << unit)
                with m.If((self.accept & self.issue).any()):
                    with m.Switch(head.op):
                        with m.Case(Op.STREAM):
                            m.next = "FETCH_HEAD"
                        with m.Default():
                            m.next = "EXECUTE"
            with m.State("EXECUTE"):
                with m.If(~self.busy.bit_select(unit, 1)):
                    m.next = "FETCH_HEAD"
                    with m.If(head.op == Op.END):
                        m.next = "IDLE"
        return m
