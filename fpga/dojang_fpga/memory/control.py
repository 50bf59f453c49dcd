"""The registers of the control window, before LiteDRAM's control bus."""

from collections.abc import Mapping

from amaranth.hdl import Const, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from dojang_hdl.memory_control import ENTRIES, TIMER_BITS, MemoryControl

from .native import ControlPort

WIDTH = 32

__all__ = ["CsrBus", "ControlRegisters"]


class CsrBus(wiring.Signature):
    """Master's view of LiteX's control bus: ``data`` belongs to the ``address`` of the cycle before."""

    def __init__(self):
        super().__init__({"address": Out(8), "write": Out(1), "write_data": Out(32), "data": In(32)})


class ControlRegisters(wiring.Component):
    """Registers of `MemoryControl`; those of controller and PHY are on the bus. What does not exist is 0.

    Parameters
    ----------
    constants: read-only registers and their values.
    addresses: of the registers on the bus.

    Members
    -------
    control: `ControlPort`.
    bus: `CsrBus`.
    initialised, error: what was written to STATUS.
    """

    control: In(ControlPort())
    bus: Out(CsrBus())
    initialised: Out(1)
    error: Out(1)

    def __init__(self, constants: Mapping[int, int], addresses: Mapping[MemoryControl, int]):
        last = MemoryControl.SEQUENCE + 2 * ENTRIES - 1
        if max(constants) > last:
            raise ValueError(f"a register at {max(constants)}, expected {last} at most: {ENTRIES} steps")
        self._constants, self._addresses = dict(constants), dict(addresses)
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        control, bus = self.control, self.bus
        known, own, on_bus, timer = Signal(), Signal(WIDTH), Signal(), Signal(TIMER_BITS)
        with m.Switch(control.address):
            for register, address in self._addresses.items():
                with m.Case(register):
                    m.d.comb += [bus.address.eq(address), known.eq(1)]
            for address, value in self._constants.items():
                with m.Case(address):
                    m.d.comb += own.eq(Const(value, WIDTH))
            with m.Case(MemoryControl.STATUS):
                m.d.comb += [own[0].eq(self.initialised), own[1].eq(self.error)]
            with m.Case(MemoryControl.TIMER):
                m.d.comb += own.eq(timer)
        m.d.comb += [bus.write.eq(control.write & known), bus.write_data.eq(control.write_data)]
        held = Signal(WIDTH)
        m.d.sync += [on_bus.eq(known), held.eq(own), control.data.eq(held), timer.eq(timer - (timer != 0))]
        with m.If(on_bus):
            m.d.sync += control.data.eq(bus.data)
        with m.If(control.write & (control.address == MemoryControl.STATUS)):
            m.d.sync += [self.initialised.eq(control.write_data[0]), self.error.eq(control.write_data[1])]
        with m.If(control.write & (control.address == MemoryControl.TIMER)):
            m.d.sync += timer.eq(control.write_data)
        return m
