"""Facts of the host link shared by bridge, driver and benches (no Amaranth here). See docs/reference/host-link.md."""

from enum import IntEnum

from .. import isa

SYNC = b"\xd0\x6a"
HEADER_BYTES = 3
"""Type, sequence and length: what the CRC covers besides the payload."""

CRC_BYTES = 4
MAX_PAYLOAD = 248
RESPONSE_BIT = 0x80
NAK = 0xFE

MAGIC = int.from_bytes(b"DJNG", "little")
VERSION = 4

ARGS_BYTES = 8
MESSAGE_BYTES = 18
REGISTER_BYTES = 4
MAX_WORDS = 15
MAX_CONTEXTS = 14
"""Of one RUN: behind its first word."""

MAX_MESSAGES = 13
MAX_REGISTERS = 56
MAX_CHECK_WORDS = (1 << 24) - 1
RESET_CYCLES = 16
RECEIVE_BYTES = 2048
"""Bytes kept while a request is executed: what a host may have in flight."""

CYCLE_BITS = 40


class Request(IntEnum):
    IDENTIFY = 1
    WRITE = 2
    READ = 3
    RUN = 4
    WAIT = 5
    MAILBOX = 6
    COUNTERS = 7
    RESET = 8
    CHECK = 9


IDEMPOTENT = frozenset({
    Request.IDENTIFY, Request.WRITE, Request.READ, Request.CHECK, Request.COUNTERS, Request.MAILBOX})
"""Requests that may be executed again, so that a host may have several in flight, none of which writes what another
reads or writes.
"""


class Status(IntEnum):
    """First byte of every response."""

    OK = 0
    UNKNOWN = 1
    LENGTH = 2
    ARGUMENT = 3
    BUSY = 4


class Message(IntEnum):
    """Types of stored messages: the values of `dojang_hdl.mesh.flit.HostType`."""

    CANDIDATES = 0
    COUNTERS = 1
    DONE = 2


ARGS = (("address", 32), ("channel", 8), ("count", 24))

IDENTITY = (("magic", 32), ("version", 16), ("width", 8), ("height", 8), ("lanes", 8), ("contexts", 8), ("top_k", 16),
            ("channel_mib", 32), ("fingerprint", 32), ("clock_hz", 32))
IDENTITY_BYTES, CHECK_BYTES = 24, 4

RUN = (*isa.RUN, ("first", isa.CONTEXT_BITS), ("go", 1))
"""The first word of RUN: those behind it (`isa.CONTEXT`) are of contexts `first`, first + 1, ...; without `go` the run
is not started, for more contexts than a frame has room for."""

WAIT = (("running", 1), ("overflow", 1), ("pad", 6), ("nodes_done", 8), ("messages", 16), ("errors", 32),
        ("cycles", 64))

LINK_COUNTERS = tuple((name, 16) for name in (
    "corrupt", "truncated", "skipped", "overruns", "resent", "rejected", "dropped", "pad"))
"""All layouts are packed from bit 0 up (`dojang_hdl.isa.pack`) and sent lowest byte first."""


def mailbox_depth(run_messages: int) -> int:
    """Messages a mailbox holds: a power of two, twice what the nodes send in one run."""
    return 1 << (2 * run_messages - 1).bit_length()
