"""The serial port of a board: pins on one side, bytes on the other."""

from amaranth.hdl import Module, Signal
from amaranth.lib import cdc, stream, wiring
from amaranth.lib.wiring import In, Out
from dojang_hdl.host.uart import UartReceiver, UartTransmitter

__all__ = ["SerialPort"]


class SerialPort(wiring.Component):
    """Both directions, with the lines' synchronisers.

    Parameters
    ----------
    cycles: clock cycles per bit; need not be whole.

    Members
    -------
    rx, tx: the lines, idle high.
    ready: the host can take bytes; no byte begins while it is 0.
    i, o: bytes to and from the host.
    error: one cycle for each received byte whose stop bit was missing; it is not in ``o``.
    """

    rx: In(1, init=1)
    tx: Out(1, init=1)
    ready: In(1, init=1)
    i: In(stream.Signature(8))
    o: Out(stream.Signature(8))
    error: Out(1)

    def __init__(self, cycles: float):
        self._cycles = cycles
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        m.submodules.receiver = receiver = UartReceiver(self._cycles)
        m.submodules.transmitter = transmitter = UartTransmitter(self._cycles)
        m.submodules.rx_sync = cdc.FFSynchronizer(self.rx, receiver.rx, init=1)
        wiring.connect(m, receiver.o, wiring.flipped(self.o))
        ready, go = Signal(), Signal()
        m.submodules.ready_sync = cdc.FFSynchronizer(self.ready, ready)
        # A byte that has been offered is not taken back.
        with m.If(transmitter.i.ready | ~transmitter.i.valid):
            m.d.sync += go.eq(ready)
        m.d.comb += [
            self.tx.eq(transmitter.tx), self.error.eq(receiver.error),
            transmitter.i.payload.eq(self.i.payload), transmitter.i.valid.eq(self.i.valid & go),
            self.i.ready.eq(transmitter.i.ready & go),
        ]
        return m
