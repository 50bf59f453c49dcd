"""Sending side of the host link: frames the response buffer."""

from amaranth.hdl import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.crc import catalog
from amaranth.lib.wiring import In, Out

from . import protocol

__all__ = ["FrameSender", "Sent"]

Sent = data.StructLayout({"type": 8, "sequence": 8, "length": 8})


class FrameSender(wiring.Component):
    """One frame out for each header in; the payload is read from a buffer. One byte per cycle, 9 bytes of
    framing, and a pause of one cycle before the CRC.

    ``frame`` is ready while no frame is being sent; the buffer must not change until it is ready again.

    Members
    -------
    frame: stream of `Sent`.
    addr, data: payload buffer; data must belong to the address of one cycle before.
    tx: bytes.
    """

    frame: In(stream.Signature(Sent))
    addr: Out(8)
    data: In(8)
    tx: Out(stream.Signature(8))

    def elaborate(self, platform):
        m = Module()
        m.submodules.crc = crc = catalog.CRC32_ISO_HDLC().create()
        head = Signal(Sent)
        index = Signal(8)
        position = Signal(range(protocol.CRC_BYTES))
        step, covered, fed = Signal(), Signal(), Signal()
        byte = Signal(8)

        m.d.comb += [
            step.eq(~self.tx.valid | self.tx.ready),
            crc.data.eq(self.tx.payload), crc.valid.eq(fed),
            self.addr.eq(index),
        ]
        sending = Signal()
        # The CRC takes the byte from the output register: buffer and CRC in one cycle would be the longest path.
        m.d.sync += fed.eq(covered & step)
        with m.If(step):
            m.d.sync += [self.tx.valid.eq(sending), self.tx.payload.eq(byte)]

        with m.FSM() as fsm:
            with m.State("IDLE"):
                m.d.comb += [self.frame.ready.eq(1), crc.start.eq(1)]
                m.d.sync += head.eq(self.frame.p)
                with m.If(self.frame.valid):
                    m.next = "SYNC0"
            head_bytes = (("SYNC0", protocol.SYNC[0], 0, "SYNC1"), ("SYNC1", protocol.SYNC[1], 0, "TYPE"),
                          ("TYPE", head.type, 1, "SEQUENCE"), ("SEQUENCE", head.sequence, 1, "LENGTH"))
            for state, value, in_crc, following in head_bytes:
                with m.State(state):
                    m.d.comb += [byte.eq(value), covered.eq(in_crc)]
                    m.d.sync += index.eq(0)
                    with m.If(step):
                        m.next = following
            with m.State("LENGTH"):
                m.d.comb += [byte.eq(head.length), covered.eq(1)]
                with m.If(step):
                    with m.If(head.length == 0):
                        m.next = "SETTLE"
                    with m.Else():
                        m.next = "PAYLOAD"
            with m.State("PAYLOAD"):
                m.d.comb += [byte.eq(self.data), covered.eq(1)]
                with m.If(step):
                    # The buffer answers a cycle later: the next byte is asked for while this one leaves.
                    m.d.comb += self.addr.eq(index + 1)
                    m.d.sync += index.eq(index + 1)
                    with m.If(index == head.length - 1):
                        m.next = "SETTLE"
            with m.State("SETTLE"):
                m.next = "CRC"
            with m.State("CRC"):
                m.d.comb += byte.eq(crc.crc.word_select(position, 8))
                with m.If(step):
                    m.d.sync += position.eq(position + 1)
                    with m.If(position == protocol.CRC_BYTES - 1):
                        m.next = "IDLE"
        m.d.comb += sending.eq(~fsm.ongoing("IDLE") & ~fsm.ongoing("SETTLE"))
        return m
