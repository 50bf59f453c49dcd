"""Receiving side of the host link: finds frames, checks their CRC, buffers the payload."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.crc import catalog
from amaranth.lib.wiring import In, Out

from . import protocol

__all__ = ["BUFFER_BYTES", "FrameReceiver", "Received"]

BUFFER_BYTES = 256

Received = data.StructLayout({"type": 8, "sequence": 8, "length": 8, "bad": 1})
"""A frame of which the payload is in the buffer; with ``bad`` a dropped one, whose other fields mean nothing."""


class FrameReceiver(wiring.Component):
    """Byte stream in, verified frames out. One byte per cycle.

    ``frame`` becomes valid two cycles after the frame's last byte and stays until taken; the buffer holds its payload
    from then until the next frame's payload arrives. While ``frame`` waits no byte is taken.

    Parameters
    ----------
    byte_timeout: cycles without a byte after which a begun frame is dropped.

    Members
    -------
    rx: bytes.
    frame: stream of `Received`.
    addr, data: payload buffer; data belongs to the address of one cycle before.
    corrupt, truncated, skipped: one-cycle events, see the link counters.
    """

    rx: In(stream.Signature(8))
    frame: Out(stream.Signature(Received))
    addr: In(8)
    data: Out(8)
    corrupt: Out(1)
    truncated: Out(1)
    skipped: Out(1)

    def __init__(self, byte_timeout: int):
        self._byte_timeout = byte_timeout
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        m.submodules.buffer = buffer = memory.Memory(shape=8, depth=BUFFER_BYTES, init=[])
        m.submodules.crc = crc = catalog.CRC32_ISO_HDLC().create()
        write, read = buffer.write_port(), buffer.read_port()
        frame = self.frame.p
        remaining = Signal(range(max(protocol.MAX_PAYLOAD, protocol.CRC_BYTES) + 1))
        idle_for = Signal(range(self._byte_timeout + 1))
        begun, expired = Signal(), Signal()

        m.d.comb += [
            self.rx.ready.eq(1),
            read.addr.eq(self.addr), self.data.eq(read.data),
            write.data.eq(self.rx.payload),
            crc.data.eq(self.rx.payload),
            expired.eq(begun & ~self.rx.valid & (idle_for == self._byte_timeout - 1)),
        ]
        m.d.sync += idle_for.eq(Mux(self.rx.valid | ~begun, 0, idle_for + 1))

        def give_up():
            with m.If(expired):
                m.d.comb += self.truncated.eq(1)
                m.d.sync += frame.bad.eq(1)
                m.next = "HOLD"

        with m.FSM():
            with m.State("HUNT"):
                m.d.comb += self.skipped.eq(self.rx.valid & (self.rx.payload != protocol.SYNC[0]))
                with m.If(self.rx.valid & (self.rx.payload == protocol.SYNC[0])):
                    m.next = "SYNC"
            with m.State("SYNC"):
                m.d.comb += [begun.eq(1), crc.start.eq(1)]
                m.d.sync += frame.bad.eq(0)
                with m.If(self.rx.valid):
                    with m.If(self.rx.payload == protocol.SYNC[1]):
                        m.next = "TYPE"
                    with m.Else():
                        m.d.comb += self.skipped.eq(1)
                        with m.If(self.rx.payload != protocol.SYNC[0]):
                            m.next = "HUNT"
                with m.Elif(expired):
                    m.d.comb += self.skipped.eq(1)
                    m.next = "HUNT"
            for state, field, following in (("TYPE", frame.type, "SEQUENCE"), ("SEQUENCE", frame.sequence, "LENGTH")):
                with m.State(state):
                    m.d.comb += begun.eq(1)
                    with m.If(self.rx.valid):
                        m.d.comb += crc.valid.eq(1)
                        m.d.sync += field.eq(self.rx.payload)
                        m.next = following
                    give_up()
            with m.State("LENGTH"):
                m.d.comb += begun.eq(1)
                m.d.sync += write.addr.eq(0)
                with m.If(self.rx.valid):
                    m.d.comb += crc.valid.eq(1)
                    m.d.sync += frame.length.eq(self.rx.payload)
                    with m.If(self.rx.payload > protocol.MAX_PAYLOAD):
                        m.d.sync += frame.bad.eq(1)
                        m.d.comb += self.corrupt.eq(1)
                        m.next = "HOLD"
                    with m.Elif(self.rx.payload == 0):
                        m.d.sync += remaining.eq(protocol.CRC_BYTES)
                        m.next = "CRC"
                    with m.Else():
                        m.d.sync += remaining.eq(self.rx.payload)
                        m.next = "PAYLOAD"
                give_up()
            with m.State("PAYLOAD"):
                m.d.comb += [begun.eq(1), write.en.eq(self.rx.valid)]
                with m.If(self.rx.valid):
                    m.d.comb += crc.valid.eq(1)
                    m.d.sync += [write.addr.eq(write.addr + 1), remaining.eq(remaining - 1)]
                    with m.If(remaining == 1):
                        m.d.sync += remaining.eq(protocol.CRC_BYTES)
                        m.next = "CRC"
                give_up()
            with m.State("CRC"):
                m.d.comb += begun.eq(1)
                with m.If(self.rx.valid):
                    m.d.comb += crc.valid.eq(1)
                    m.d.sync += remaining.eq(remaining - 1)
                    with m.If(remaining == 1):
                        m.next = "CHECK"
                give_up()
            with m.State("CHECK"):
                m.d.sync += frame.bad.eq(~crc.match_detected)
                m.d.comb += [self.corrupt.eq(~crc.match_detected), self.rx.ready.eq(0)]
                m.next = "HOLD"
            with m.State("HOLD"):
                m.d.comb += [self.frame.valid.eq(1), self.rx.ready.eq(0)]
                with m.If(self.frame.ready):
                    m.next = "HUNT"
        return m
