"""What the host sets and sees of a guard."""

from amaranth.hdl import Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..config import WORD_BITS
from .injector import Injection
from .layout import CONTROL, FAULT, Register

__all__ = ["Control", "Fault", "Registers"]

Control = data.StructLayout(dict(CONTROL))
Fault = data.StructLayout(dict(FAULT))


class Registers(wiring.Component):
    """The register window; ``data`` belongs to the address of the cycle before.

    Members
    -------
    address, data: read. write, write_data: write of the register at ``address``; byte masks do not count.
    control: CONTROL.
    failed, fault: something went wrong (strobe); the first one is kept.
    error: FAULT keeps an error.
    inject, injection, mask: an injection begins; INJECT; INJECT_MASK. left: words it has left.
    """

    address: In(2)
    data: Out(WORD_BITS)
    write: In(1)
    write_data: In(WORD_BITS)
    control: Out(Control)
    failed: In(1)
    fault: In(Fault)
    error: Out(1)
    inject: Out(1)
    injection: Out(Injection)
    mask: Out(WORD_BITS)
    left: In(16)

    def elaborate(self, platform):
        m = Module()
        kept = Signal(Fault)
        m.d.comb += self.error.eq(kept.error)
        m.d.sync += self.inject.eq(0)
        with m.Switch(self.address):
            with m.Case(Register.CONTROL):
                m.d.sync += self.data.eq(self.control)
                with m.If(self.write):
                    m.d.sync += self.control.eq(self.write_data)
            with m.Case(Register.FAULT):
                m.d.sync += self.data.eq(kept)
                with m.If(self.write):
                    m.d.sync += kept.eq(0)
            with m.Case(Register.INJECT):
                left = Signal(Injection)
                m.d.comb += [left.eq(self.injection), left.count.eq(self.left)]
                m.d.sync += self.data.eq(left)
                with m.If(self.write):
                    m.d.sync += [self.inject.eq(1), self.injection.eq(self.write_data)]
            with m.Case(Register.INJECT_MASK):
                m.d.sync += self.data.eq(self.mask)
                with m.If(self.write):
                    m.d.sync += self.mask.eq(self.write_data)
        with m.If(self.failed & ~kept.error):
            m.d.sync += [kept.eq(self.fault), kept.error.eq(1)]
        return m
