"""What travels on the two networks of the mesh. Every flit carries its own header, so a packet is one flit."""

from amaranth.lib import data, enum, stream
from amaranth.lib.wiring import Signature

from .. import isa
from ..config import WORD_BITS, WORD_BYTES
from ..isa import Mode

__all__ = ["ContextLayout", "DataKind", "DataFlit", "RequestKind", "RequestFlit", "DataLink", "RequestLink",
           "RunLayout"]


class DataKind(enum.Enum, shape=3):
    """What the receiving node does with a data flit. Every kind always sinks: none waits for another flit."""

    PLANES = 0   # append to the plane FIFO (space was reserved by the request)
    SCALES = 1   # append to the scale FIFO (likewise)
    PROGRAM = 2  # append to the program FIFO (likewise)
    STORE = 3    # write to RX at addr, lanes by mask; count one word under tag
    CONTEXT = 4  # registers of context addr: see ContextLayout
    RUN = 5      # start: see RunLayout
    URGENT_PLANES = 6  # append to the urgent plane FIFO (likewise)
    URGENT_SCALES = 7  # append to the urgent scale FIFO (likewise)


class RequestKind(enum.Enum, shape=2):
    READ = 0     # length words from addr; the reply flits go to (x, y) as `kind`, reply addresses counting up
    WRITE = 1    # payload bytes by mask to addr
    HOST = 2     # payload for the host, addr is its type (HostType)


class HostType(enum.Enum, shape=8):
    CANDIDATES = 0  # two (FP32 value, 32-bit id) pairs
    COUNTERS = 1    # four 32-bit counters
    DONE = 2        # the node's program ended; payload bit 0..: isa.Flag


DataFlit = data.StructLayout({
    "mode": Mode, "x": 4, "y": 4, "kind": DataKind, "addr": 16, "tag": 2, "mask": 4, "payload": WORD_BITS,
    "more": 1})
"""Data network, edge -> node and node -> nodes. XY routing (x first), multicast as a tree by `mode`. `more` belongs to
the routers: 0 at the sender, undefined at the receiver."""

RequestFlit = data.StructLayout({
    "row": 4, "x": 4, "y": 4, "kind": RequestKind, "addr": 32, "length": 9, "reply": DataKind, "reply_addr": 16,
    "tag": 2, "mask": WORD_BYTES, "payload": WORD_BITS, "more": 1})
"""Request network, node -> west edge of `row`. YX routing (y first, then west). (x, y) is the sender; `more` as in
`DataFlit`."""

RunLayout, ContextLayout = (data.StructLayout(dict(fields)) for fields in (isa.RUN, isa.CONTEXT))
"""Payloads of RUN and CONTEXT."""


class DataLink(Signature):
    """A stream of data flits; the initiator sends."""

    def __init__(self):
        super().__init__(stream.Signature(DataFlit).members)


class RequestLink(Signature):
    """A stream of request flits; the initiator sends."""

    def __init__(self):
        super().__init__(stream.Signature(RequestFlit).members)
