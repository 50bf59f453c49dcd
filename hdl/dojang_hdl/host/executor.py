"""Executes the requests of the host link, one at a time and each once."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import WORD_BITS, WORD_BYTES, ChipConfig
from ..isa import pack
from ..memory import MemoryPort
from . import protocol
from .mailbox import StoredMessage
from .protocol import Request, Status
from .receiver import Received
from .run_control import ERROR_BITS, RunWords
from .sender import Sent

__all__ = ["CSR_SPACE", "Executor"]

ARGS = data.StructLayout(dict(protocol.ARGS))
ARGS_REQUESTS = (Request.READ, Request.MAILBOX, Request.COUNTERS)
CSR_SPACE = 512


def identity(config: ChipConfig) -> int:
    """What IDENTIFY answers, as one word."""
    return pack(protocol.IDENTITY, {
        "magic": protocol.MAGIC, "version": protocol.VERSION, "width": config.width, "height": config.height,
        "lanes": config.lanes, "contexts": config.contexts, "top_k": config.top_k, "channel_mib": config.channel_mib})


class Executor(wiring.Component):
    """Takes verified requests, fills the response buffer, hands the response to the sender.

    ``request`` is taken in the cycle in which its response (or NAK) is handed over. A word is shifted bytewise between
    the buffers and a register: about 20 cycles for each word of WRITE, and 20 plus the memory's latency for READ.

    Parameters
    ----------
    config: the chip.
    mailbox_depth: of the mailbox behind ``index``.
    wait_cycles: after so many cycles WAIT is answered though the run goes on.

    Members
    -------
    request, request_addr, request_data: from `FrameReceiver`.
    response: to `FrameSender`; response_en, response_addr, response_data write its buffer.
    memory: one port for each channel; commands of one word.
    windows: channels that have something behind their words (`dojang_hdl.guard.layout`).
    start, running, nodes_done, errors, cycles, abort: `RunControl`.
    settling: the run has ended, but what it wrote has not yet been verified.
    index, stored, messages, overflow, clear: `Mailbox`.
    link_counters: answered by COUNTERS.
    resent, rejected: one-cycle events.
    csr_addr, csr_data: register read; data belongs to the address of two cycles before.
    soft_reset: high for RESET_CYCLES.
    """

    def __init__(self, config: ChipConfig, mailbox_depth: int, wait_cycles: int):
        self._config = config
        self._wait_cycles = wait_cycles
        super().__init__({
            "request": In(stream.Signature(Received)),
            "request_addr": Out(8),
            "request_data": In(8),
            "response": Out(stream.Signature(Sent)),
            "response_en": Out(1),
            "response_addr": Out(8),
            "response_data": Out(8),
            "memory": Out(MemoryPort()).array(config.channels),
            "windows": In(config.channels),
            "start": Out(stream.Signature(RunWords)),
            "running": In(1),
            "settling": In(1),
            "nodes_done": In(range(config.nodes + 1)),
            "errors": In(ERROR_BITS),
            "cycles": In(protocol.CYCLE_BITS),
            "abort": Out(1),
            "index": Out(range(mailbox_depth)),
            "stored": In(StoredMessage),
            "messages": In(range(mailbox_depth + 1)),
            "overflow": In(1),
            "clear": Out(1),
            "link_counters": In(WORD_BITS),
            "resent": Out(1),
            "rejected": Out(1),
            "csr_addr": Out(range(CSR_SPACE)),
            "csr_data": In(32),
            "soft_reset": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        request = self.request.p

        # The shifter: bytes enter at the top of the low 128 bits, leave at the bottom.
        word = Signal(8 * protocol.MESSAGE_BYTES)
        left = Signal(range(protocol.MESSAGE_BYTES + 1))
        fetching, arrived, emitting, busy = Signal(), Signal(), Signal(), Signal()
        fetch_at, emit_at = Signal(8), Signal(8)
        m.d.comb += [busy.eq(fetching | arrived | emitting), self.request_addr.eq(fetch_at)]
        m.d.sync += arrived.eq(fetching)
        with m.If(arrived):
            m.d.sync += word[:WORD_BITS].eq(Cat(word[8:WORD_BITS], self.request_data))
        with m.If(emitting):
            m.d.comb += [self.response_en.eq(1), self.response_addr.eq(emit_at), self.response_data.eq(word[:8])]
            m.d.sync += [word.eq(word >> 8), emit_at.eq(emit_at + 1)]
        with m.If(fetching):
            m.d.sync += fetch_at.eq(fetch_at + 1)
        with m.If(fetching | emitting):
            m.d.sync += left.eq(left - 1)
            with m.If(left == 1):
                m.d.sync += [fetching.eq(0), emitting.eq(0)]

        def fetch(count):
            m.d.sync += [fetching.eq(1), left.eq(count)]

        def emit(value, count):
            m.d.sync += [emitting.eq(1), left.eq(count), word.eq(value)]

        args = Signal(ARGS)
        end = Signal(33)
        status = Signal(Status)
        run = Signal(WORD_BITS)
        timer = Signal(range(max(self._wait_cycles, protocol.RESET_CYCLES)))
        last = Signal(Sent)
        any_executed = Signal()

        def finish(value):
            m.d.sync += status.eq(value)
            m.next = "FINISH"

        # Words of memory: a command and its data are offered at once and taken in any order.
        command, write = Signal(), Signal()
        read_valid, read_data, read_ready = Signal(), Signal(WORD_BITS), Signal()
        for number, port in enumerate(self.memory):
            selected = Signal(name=f"channel{number}")
            m.d.comb += [
                selected.eq(args.channel == number),
                port.command.valid.eq(command & selected),
                port.command.p.write.eq(request.type == Request.WRITE),
                port.command.p.addr.eq(args.address), port.command.p.length.eq(1),
                port.write.valid.eq(write & selected),
                port.write.p.data.eq(word[:WORD_BITS]), port.write.p.mask.eq(-1),
                port.read.ready.eq(read_ready & selected),
            ]
            with m.If(selected):
                m.d.comb += [read_valid.eq(port.read.valid), read_data.eq(port.read.payload)]
                with m.If(port.command.ready):
                    m.d.sync += command.eq(0)
                with m.If(port.write.ready):
                    m.d.sync += write.eq(0)

        def next_word():
            m.d.sync += [args.address.eq(args.address + 1), args.count.eq(args.count - 1)]

        m.d.comb += [
            self.index.eq(args.address), self.csr_addr.eq(args.address),
            self.start.p.run.eq(run), self.start.p.tokens.eq(word[:WORD_BITS]),
            self.response.p.eq(last),
        ]
        m.d.sync += self.soft_reset.eq(0)

        with m.FSM():
            with m.State("IDLE"):
                m.d.sync += [fetch_at.eq(0), emit_at.eq(1), timer.eq(0)]
                with m.If(self.request.valid & self.response.ready):
                    with m.If(request.bad):
                        m.next = "NAK"
                    with m.Elif(any_executed & (request.sequence == last.sequence)
                                & (request.type != Request.IDENTIFY)):
                        m.d.comb += self.resent.eq(1)
                        m.next = "REPLY"
                    with m.Else():
                        m.next = "DECODE"

            with m.State("DECODE"):
                with m.Switch(request.type):
                    with m.Case(Request.IDENTIFY):
                        emit(Const(identity(self._config), WORD_BITS), WORD_BYTES)
                        finish(Mux(request.length == 0, Status.OK, Status.LENGTH))
                    with m.Case(Request.WRITE):
                        fetch(protocol.ARGS_BYTES)
                        m.next = "ARGS"
                        with m.If(request.length[:4] != protocol.ARGS_BYTES):
                            finish(Status.LENGTH)
                    with m.Case(*ARGS_REQUESTS):
                        fetch(protocol.ARGS_BYTES)
                        m.next = "ARGS"
                        with m.If(request.length != protocol.ARGS_BYTES):
                            finish(Status.LENGTH)
                    with m.Case(Request.RUN):
                        fetch(WORD_BYTES)
                        m.next = "RUN WORD"
                        with m.If(request.length != protocol.RUN_BYTES):
                            finish(Status.LENGTH)
                        with m.Elif(self.running):
                            finish(Status.BUSY)
                    with m.Case(Request.WAIT):
                        m.next = "WAIT"
                        with m.If(request.length != 0):
                            finish(Status.LENGTH)
                    with m.Case(Request.RESET):
                        m.next = "RESET"
                        with m.If(request.length != 0):
                            finish(Status.LENGTH)
                    with m.Default():
                        finish(Status.UNKNOWN)

            with m.State("ARGS"), m.If(~busy):
                m.d.sync += args.eq(word[WORD_BITS - 8 * protocol.ARGS_BYTES:WORD_BITS])
                m.next = "END"
            with m.State("END"):
                m.d.sync += end.eq(args.address + args.count)
                m.next = "CHECK"
            with m.State("CHECK"):
                def proceed(state, allowed):
                    with m.If(allowed):
                        m.next = state
                    with m.Else():
                        finish(Status.ARGUMENT)

                in_memory = ((args.channel < self._config.channels) & (args.count != 0)
                             & (args.count <= protocol.MAX_WORDS)
                             & ((end <= self._config.channel_words)
                                | args.address[-2:].any() & self.windows.bit_select(args.channel, 1)))
                with m.Switch(request.type):
                    with m.Case(Request.WRITE):
                        proceed("WRITE", in_memory)
                        with m.If(request.length[4:] != args.count):
                            finish(Status.LENGTH)
                    with m.Case(Request.READ):
                        proceed("READ", in_memory)
                    with m.Case(Request.MAILBOX):
                        proceed("MAILBOX", (args.count != 0) & (args.count <= protocol.MAX_MESSAGES)
                                & (end <= self.messages))
                    with m.Default():
                        emit(self.link_counters, WORD_BYTES)
                        proceed("COUNTERS", (args.count <= protocol.MAX_REGISTERS) & (end <= CSR_SPACE))

            with m.State("WRITE"):
                with m.If(args.count == 0):
                    finish(Status.OK)
                with m.Else():
                    fetch(WORD_BYTES)
                    m.next = "WRITE FETCH"
            with m.State("WRITE FETCH"), m.If(~busy):
                m.d.sync += [command.eq(1), write.eq(1)]
                m.next = "WRITE WORD"
            with m.State("WRITE WORD"), m.If(~command & ~write):
                next_word()
                m.next = "WRITE"

            with m.State("READ"), m.If(~busy):
                with m.If(args.count == 0):
                    finish(Status.OK)
                with m.Else():
                    m.d.sync += command.eq(1)
                    m.next = "READ WORD"
            with m.State("READ WORD"):
                m.d.comb += read_ready.eq(1)
                with m.If(read_valid):
                    emit(read_data, WORD_BYTES)
                    next_word()
                    m.next = "READ"

            # Here and in COUNTERS the index changed while at least four bytes went out: its data has come.
            with m.State("MAILBOX"), m.If(~busy):
                with m.If(args.count == 0):
                    finish(Status.OK)
                with m.Else():
                    emit(self.stored, protocol.MESSAGE_BYTES)
                    next_word()

            with m.State("COUNTERS"), m.If(~busy):
                with m.If(args.count == 0):
                    finish(Status.OK)
                with m.Else():
                    emit(self.csr_data, protocol.REGISTER_BYTES)
                    next_word()

            with m.State("RUN WORD"), m.If(~busy):
                m.d.sync += run.eq(word)
                fetch(WORD_BYTES)
                m.next = "RUN TOKENS"
            with m.State("RUN TOKENS"), m.If(~busy):
                m.d.comb += self.clear.eq(1)
                m.next = "START"
            with m.State("START"):
                m.d.comb += self.start.valid.eq(1)
                with m.If(self.start.ready):
                    finish(Status.OK)

            with m.State("WAIT"):
                m.d.sync += timer.eq(timer + 1)
                unfinished = self.running | self.settling
                with m.If(~unfinished | (timer == self._wait_cycles - 1)):
                    emit(Cat(unfinished, self.overflow, Const(0, 6), Cat(self.nodes_done, Const(0, 8))[:8],
                             Cat(self.messages, Const(0, 16))[:16], self.errors, self.cycles), WORD_BYTES)
                    finish(Status.OK)

            with m.State("RESET"):
                m.d.sync += [timer.eq(timer + 1), self.soft_reset.eq(1)]
                m.d.comb += [self.abort.eq(1), self.clear.eq(1)]
                with m.If(timer == protocol.RESET_CYCLES - 1):
                    finish(Status.OK)

            with m.State("FINISH"), m.If(~busy):
                m.d.comb += [self.response_en.eq(1), self.response_addr.eq(0), self.response_data.eq(status),
                             self.rejected.eq(status != Status.OK)]
                m.d.sync += [
                    any_executed.eq(1),
                    last.type.eq(request.type | protocol.RESPONSE_BIT), last.sequence.eq(request.sequence),
                    last.length.eq(Mux(status == Status.OK, emit_at, 1)),
                ]
                m.next = "REPLY"
            with m.State("REPLY"):
                m.d.comb += self.response.valid.eq(1)
                with m.If(self.response.ready):
                    m.d.comb += self.request.ready.eq(1)
                    m.next = "IDLE"
            with m.State("NAK"):
                m.d.comb += [self.response.valid.eq(1), self.response.p.eq(Const({"type": protocol.NAK}, Sent))]
                with m.If(self.response.ready):
                    m.d.comb += self.request.ready.eq(1)
                    m.next = "IDLE"
        return m
