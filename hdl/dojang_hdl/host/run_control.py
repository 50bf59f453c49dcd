"""Starts a run on the mesh and watches it end."""

from amaranth.hdl import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import WORD_BITS, ChipConfig
from ..isa import Mode
from ..mesh.flit import DataKind, DataLink, HostType
from ..mesh.message import HostMessage
from . import protocol

__all__ = ["ERROR_BITS", "RunControl", "RunWords"]

ERROR_BITS = 32

RunWords = data.StructLayout({"run": WORD_BITS, "tokens": WORD_BITS})
"""Payloads of the RUN and the TOKENS flit."""


class RunControl(wiring.Component):
    """One TOKENS flit and one RUN flit for each ``start``, both to all nodes; then counts DONE messages.

    Members
    -------
    start: stream of `RunWords`; taken when the RUN flit has left. Only to be offered while not running.
    control: the flits.
    message, message_valid: what the nodes send (observed, not taken).
    abort: forget the run.
    running: from the cycle after the RUN flit until the last node's DONE.
    nodes_done, errors, cycles: of the run going on or, else, the last one.
    count_clear: one cycle, before the TOKENS flit.
    """

    def __init__(self, config: ChipConfig):
        self._nodes = config.nodes
        super().__init__({
            "start": In(stream.Signature(RunWords)),
            "control": Out(DataLink()),
            "message": In(HostMessage),
            "message_valid": In(1),
            "abort": In(1),
            "running": Out(1),
            "nodes_done": Out(range(config.nodes + 1)),
            "errors": Out(ERROR_BITS),
            "cycles": Out(protocol.CYCLE_BITS),
            "count_clear": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        flit = self.control.payload
        done = Signal()
        m.d.comb += done.eq(self.running & self.message_valid & (self.message.type == HostType.DONE))

        def offer(kind, payload):
            m.d.comb += [self.control.valid.eq(1), flit.mode.eq(Mode.ALL), flit.mask.eq(-1), flit.kind.eq(kind),
                         flit.payload.eq(payload)]

        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += self.count_clear.eq(self.start.valid)
                with m.If(self.start.valid):
                    m.d.sync += [self.nodes_done.eq(0), self.errors.eq(0), self.cycles.eq(0)]
                    m.next = "TOKENS"
            with m.State("TOKENS"):
                offer(DataKind.TOKENS, self.start.p.tokens)
                with m.If(self.control.ready):
                    m.next = "RUN"
            with m.State("RUN"):
                offer(DataKind.RUN, self.start.p.run)
                with m.If(self.control.ready):
                    m.d.comb += self.start.ready.eq(1)
                    m.d.sync += self.running.eq(1)
                    m.next = "IDLE"
        with m.If(self.running):
            m.d.sync += self.cycles.eq(self.cycles + 1)
        with m.If(done):
            m.d.sync += [self.nodes_done.eq(self.nodes_done + 1),
                         self.errors.eq(self.errors | self.message.payload[:ERROR_BITS])]
            with m.If(self.nodes_done == self._nodes - 1):
                m.d.sync += self.running.eq(0)
        with m.If(self.abort):
            m.d.sync += self.running.eq(0)
        return m
