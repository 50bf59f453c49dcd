"""The line of a USB-UART: eight data bits, no parity, one stop bit, lowest bit first, high when idle."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

__all__ = ["Divisor", "UartReceiver", "UartTransmitter"]

FEWEST_CLOCKS = 4
"""A bit."""

MAJORITY_CLOCKS = 16
"""From so many clocks a bit on, three samples of it are taken."""


class Divisor:
    """Clocks of a bit as a fraction: an accumulator that overflows once a bit when ``step`` is added every clock.

    Parameters
    ----------
    clock_hz, baud: ValueError for fewer than `FEWEST_CLOCKS` clocks a bit.

    Members
    -------
    clocks: of a bit. bits, step: of the accumulator; it is at most 0.01 % off.
    majority: three samples are taken of a bit.
    tolerance: greatest deviation of a sender's rate at which a `UartReceiver` understands it, as a share.
    """

    def __init__(self, clock_hz: float, baud: float):
        if baud <= 0 or clock_hz < FEWEST_CLOCKS * baud:
            raise ValueError(f"baud={baud:,.0f}, expected 1 to {clock_hz / FEWEST_CLOCKS:,.0f}: at least "
                             f"{FEWEST_CLOCKS} clocks of {clock_hz:,.0f} Hz a bit")
        self.clocks = clock_hz / baud
        self.bits = 13 + int(self.clocks).bit_length()
        self.step = round((1 << self.bits) / self.clocks)
        self.majority = self.clocks >= MAJORITY_CLOCKS
        self.tolerance = (0.5 - (2 if self.majority else 1) / self.clocks) / 9.5


class UartReceiver(wiring.Component):
    """Samples each bit in its middle, by majority of three neighbouring clocks if there are `MAJORITY_CLOCKS` of them.

    The edge of the start bit and the sample are known to a clock each, so with c clocks a bit the sender's rate may be
    off by (1/2 - u/c) / 9.5 of it (`Divisor.tolerance`), where u is 1, or 2 with majority. Bytes may follow each other
    without a pause.

    Parameters
    ----------
    clock_hz, baud: see `Divisor`.

    Members
    -------
    line: the pin; it passes a synchroniser.
    o: bytes, valid for one cycle; one that is not taken in it is lost.
    framing: event for a byte without stop bit, which is dropped; then the line has to become high first.
    broken: event for a break: all bits of a byte and its stop bit are low. Not a framing error as well.
    """

    line: In(1, init=1)
    o: Out(stream.Signature(8))
    framing: Out(1)
    broken: Out(1)

    def __init__(self, clock_hz: float, baud: float):
        self._divisor = Divisor(clock_hz, baud)
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        level, value, before = Signal(init=1), Signal(), Signal(2, init=3)
        m.submodules.synchroniser = FFSynchronizer(self.line, level, init=1)
        m.d.sync += before.eq(Cat(level, before[0]))
        if self._divisor.majority:
            m.d.comb += value.eq(level & before[0] | level & before[1] | before[0] & before[1])
        else:
            m.d.comb += value.eq(level)

        # Half a bit from the edge to the middle, less two clocks: the edge was half a clock before it was seen, the
        # accumulator overflows half a clock late, and begins a clock late. The middle one of three is a clock old.
        bits, step = self._divisor.bits, self._divisor.step
        phase, middle = Signal(bits), Signal()
        first = (1 << bits - 1) + (1 if self._divisor.majority else 2) * step
        shift = Signal(8)
        count = Signal(range(8))
        m.d.sync += Cat(phase, middle).eq(phase + step)
        with m.FSM():
            with m.State("IDLE"):
                m.d.sync += [Cat(phase, middle).eq(first), count.eq(0)]
                with m.If(~level):
                    m.next = "START"
            with m.State("START"), m.If(middle):
                m.next = "DATA"
                with m.If(value):
                    m.next = "IDLE"
            with m.State("DATA"), m.If(middle):
                m.d.sync += [shift.eq(Cat(shift[1:], value)), count.eq(count + 1)]
                with m.If(count == 7):
                    m.next = "STOP"
            with m.State("STOP"), m.If(middle):
                m.d.comb += [self.o.valid.eq(value), self.broken.eq(~value & (shift == 0)),
                             self.framing.eq(~value & (shift != 0))]
                m.next = "IDLE"
                with m.If(~value):
                    m.next = "LOW"
            with m.State("LOW"), m.If(level):
                m.next = "IDLE"
        m.d.comb += self.o.payload.eq(shift)
        return m


class UartTransmitter(wiring.Component):
    """Sends bytes without a pause between them while there are any. Ten bits a byte.

    Parameters
    ----------
    clock_hz, baud: see `Divisor`.

    Members
    -------
    i: bytes; taken when their start bit begins.
    clear: the other side can take a byte; it passes a synchroniser. While it is low no byte begins.
    line: the pin; a register.
    """

    i: In(stream.Signature(8))
    clear: In(1, init=1)
    line: Out(1, init=1)

    def __init__(self, clock_hz: float, baud: float):
        self._divisor = Divisor(clock_hz, baud)
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        clear = Signal()
        m.submodules.synchroniser = FFSynchronizer(self.clear, clear)
        phase, over = Signal(self._divisor.bits), Signal()
        left = Signal(range(11))  # bits that have not ended, the stop bit's included
        shift = Signal(8)
        total = Signal(self._divisor.bits + 1)
        m.d.comb += [total.eq(Mux(left == 0, 0, phase) + self._divisor.step), over.eq(total[-1])]
        m.d.sync += phase.eq(total)
        with m.If((left == 0) | (left == 1) & over):
            m.d.sync += left.eq(0)
            with m.If(self.i.valid & clear):
                m.d.comb += self.i.ready.eq(1)
                m.d.sync += [self.line.eq(0), shift.eq(self.i.payload), left.eq(10)]
        with m.Elif(over):
            m.d.sync += [Cat(self.line, shift).eq(Cat(shift, 1)), left.eq(left - 1)]
        return m
