"""The resolver fetches a program's instructions and resolves their dynamic values."""

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from .. import isa
from ..config import WORD_BITS, ChipConfig
from ..isa import Op, Reg
from .contexts import ContextRegisters, ToldContext
from .instruction import HeadLayout, Instruction, MemLayout, Unit

__all__ = ["Resolver"]

PART = 18
"""Width of the FPGAs' multipliers: a wider product is the sum of several, one stage later."""


class Resolver(wiring.Component):
    """Gives the instructions of a program in order, resolved by the formulas of isa.py; what does nothing is left out.

    An instruction every `interval` cycles, its first word `latency` cycles before it is offered. One is resolved while
    the one before waits to be taken. END is offered when nothing more comes of the words that follow it (padding).

    Members
    -------
    start: begins a program, not before END of the one before has been taken.
    told: see `ContextRegisters`; those that the program names are told before ``start``, and not again until END.
    set: of scales and gains, stable until END; coded chips only, the register reads as 0 on others.
    program: In stream of program words; ``ready`` depends on registers only. drop: its end has been seen, no more words
        should be asked for. empty: none are on their way or there.
    o: Out stream of `Instruction`; registers all of it. Without NOPs and, but for END, without n = 0.
    """

    interval, latency = 5, 7

    def __init__(self, config: ChipConfig):
        self._config = config
        super().__init__({
            "start": In(1),
            "told": In(stream.Signature(ToldContext)),
            **({"set": In(isa.SET_BITS)} if config.coded else {}),
            "program": In(stream.Signature(WORD_BITS)), "drop": Out(1), "empty": In(1),
            "o": Out(stream.Signature(Instruction)),
        })

    def elaborate(self, platform):
        m = Module()
        # Of the instruction under way; it moves on to `done` with its multiplications, and the next one is fetched.
        head, rest = Signal(HeadLayout), Signal(WORD_BITS)
        mem, done = data.View(MemLayout, rest), self.o.payload

        m.submodules.contexts = contexts = ContextRegisters(self._config.contexts)
        wiring.connect(m, wiring.flipped(self.told), contexts.told)
        m.d.comb += contexts.context.eq(head.context)
        # One multiplexer for the three registers an instruction may name, in three states.
        registers = contexts.registers
        values = {Reg.POS: registers.position, Reg.LOGITS: registers.logits, Reg.TOKEN: registers.token,
                  Reg.START: registers.start, Reg.ROW: registers.row, Reg.CHOICE: registers.choice}
        if self._config.coded:
            values[Reg.SET] = self.set
        number, value, register = Signal(Reg), Signal(32), Signal(32)
        with m.Switch(number):
            for reg, its_value in values.items():
                with m.Case(reg):
                    m.d.comb += value.eq(its_value)
        m.d.sync += register.eq(value)

        n_sum, m_sum = Signal(signed(18)), Signal(signed(33))   # the latter also of the lane position
        n_shifted, n_value, m_value = Signal(17), Signal(16), Signal(20)
        # What an address's register and bias give at least, and which value of the register gives that.
        floor, lowest = Signal(isa.CACHE_BITS), Signal(isa.CACHE_BITS)
        m_least, below = Signal(signed(isa.CACHE_BITS + 2)), Signal()
        m.d.comb += floor.eq(Mux(mem.m_reg == Reg.ROW, registers.start, 0))
        n, n_product = Signal(16), Signal(16)
        # A STREAM of a row begins 2 * lanes words further for every unit before the row in its block.
        lane_bits = self._config.lanes.bit_length() - 1
        unit_of_row = m_sum[lane_bits:self._config.acc_rows.bit_length() - 1]
        base = Signal(32)
        m_low, m_high, m_carry = Signal(32), Signal(32 - PART), Signal(32 - PART)   # m_value * m_mul in parts
        bias = Signal.like(mem.m_bias)
        moved = Signal()   # in the cycle before, the instruction has moved on to `done`

        m.d.sync += moved.eq(0)
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)

        def fetch_head():
            m.d.comb += self.program.ready.eq(1)
            m.d.sync += head.eq(self.program.payload)
            m.next = "FETCH_HEAD"
            with m.If(self.program.valid):
                m.next = "FETCH_REST"

        m.d.comb += number.eq(head.n_reg)
        with m.FSM():
            with m.State("IDLE"):
                with m.If(self.start):
                    m.next = "FETCH_HEAD"
            with m.State("FETCH_HEAD"):
                fetch_head()
            with m.State("FETCH_REST"):
                m.d.comb += self.program.ready.eq(1)
                m.d.sync += rest.eq(self.program.payload)
                with m.If(self.program.valid):
                    m.next = "BIAS"
            with m.State("BIAS"):
                m.d.comb += number.eq(mem.m_reg)
                m.d.sync += [n_sum.eq(register[:16] + head.n_bias), lowest.eq(floor), m_least.eq(floor - mem.m_bias)]
                m.next = "SHIFT"
            with m.State("SHIFT"):
                m.d.comb += [number.eq(mem.lane_reg), bias.eq(mem.m_bias)]
                m.d.sync += [n_shifted.eq(Mux(n_sum < 0, 0, n_sum >> head.n_shift)), m_sum.eq(register + bias),
                             below.eq(register < m_least)]
                m.next = "CLAMP"
            with m.State("CLAMP"):
                m.d.comb += bias.eq(mem.lane_bias)
                m.d.sync += [n_value.eq(Mux(head.n_max < n_shifted, head.n_max, n_shifted)),
                             m_value.eq(Mux(below, lowest, m_sum[:32]) >> mem.m_shift), m_sum.eq(register + bias)]
                m.next = "MULTIPLY"
            with m.State("MULTIPLY"):
                with m.If(~self.o.valid):
                    m.d.sync += [
                        moved.eq(1), done.head.eq(head), done.rest.eq(rest), done.index.eq(m_sum),
                        base.eq(mem.addr + (Mux((head.op == Op.STREAM) & mem.wide, unit_of_row, 0) << lane_bits + 1)),
                        n_product.eq(n_value * head.n_mul),
                        m_low.eq(m_value[:PART] * mem.m_mul[:PART]),
                        m_high.eq(m_value[:32 - PART] * mem.m_mul[PART:]),
                        m_carry.eq(m_value[PART:] * mem.m_mul[:32 - PART]),
                    ]
                    fetch_head()
                    with m.If(head.op == Op.END):
                        m.d.comb += self.program.ready.eq(0)
                        m.next = "DRAIN"
            with m.State("DRAIN"):
                m.d.comb += [self.program.ready.eq(1), self.drop.eq(1)]
                with m.If(self.empty):
                    m.d.sync += self.o.valid.eq(1)
                    m.next = "IDLE"

        # The parts above bit PART meet the address in a short adder before the long one.
        sum_high = base + (((m_high + m_carry)[:32 - PART]) << PART)
        m.d.comb += n.eq(done.head.n_base + n_product)
        with m.If(moved):
            m.d.sync += [done.n.eq(n), done.addr.eq(m_low + sum_high)]
            with m.Switch(done.head.op):
                with m.Case(Op.GEMV):
                    m.d.sync += done.unit.eq(Unit.ENGINE)
                with m.Case(Op.VEC):
                    m.d.sync += done.unit.eq(Unit.VECTOR)
                with m.Case(Op.TOPK):
                    m.d.sync += done.unit.eq(Unit.CANDIDATES)
                with m.Case(Op.STREAM):
                    m.d.sync += done.unit.eq(Unit.STREAMS + data.View(MemLayout, done.rest).stream)
                with m.Default():
                    m.d.sync += done.unit.eq(Unit.MOVER)
            with m.Switch(done.head.op):
                with m.Case(Op.NOP, Op.END):
                    pass   # END waits for its padding
                with m.Default():
                    m.d.sync += self.o.valid.eq(n != 0)
        return m
