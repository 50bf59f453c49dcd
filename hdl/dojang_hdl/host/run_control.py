"""Starts a run on the mesh and watches it end."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import WORD_BITS, ChipConfig
from ..isa import CONTEXT_BITS, Mode
from ..mesh.flit import DataKind, DataLink, HostType
from ..mesh.message import HostMessage
from . import protocol

__all__ = ["ERROR_BITS", "RunControl", "RunOrder"]

ERROR_BITS = 32

RunOrder = data.StructLayout({"run": 1, "context": CONTEXT_BITS, "payload": WORD_BITS})
"""To send a RUN flit, or else the CONTEXT flit of ``context``."""


class RunControl(wiring.Component):
    """Sends a CONTEXT or RUN flit to all nodes for each order; behind a RUN flit counts DONE messages.

    Members
    -------
    order: stream of `RunOrder`; taken when the flit has left. Only to be offered while not running.
    control: the flits.
    message, message_valid: what the nodes send (observed, not taken).
    abort: forget the run.
    running: from the cycle after the RUN flit until the last node's DONE.
    nodes_done, errors, cycles: of the run going on or, else, the last one.
    count_clear: one cycle, before the RUN flit.
    """

    def __init__(self, config: ChipConfig):
        self._nodes = config.nodes
        super().__init__({
            "order": In(stream.Signature(RunOrder)),
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

        order = self.order.payload
        m.d.comb += [flit.mode.eq(Mode.ALL), flit.mask.eq(-1), flit.addr.eq(order.context),
                     flit.kind.eq(Mux(order.run, DataKind.RUN, DataKind.CONTEXT)), flit.payload.eq(order.payload)]
        with m.FSM():
            with m.State("IDLE"), m.If(self.order.valid):
                with m.If(order.run):
                    m.d.comb += self.count_clear.eq(1)
                    m.d.sync += [self.nodes_done.eq(0), self.errors.eq(0), self.cycles.eq(0)]
                m.next = "SEND"
            with m.State("SEND"):
                m.d.comb += [self.control.valid.eq(1), self.order.ready.eq(self.control.ready)]
                with m.If(self.control.ready):
                    m.d.sync += self.running.eq(order.run)
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
