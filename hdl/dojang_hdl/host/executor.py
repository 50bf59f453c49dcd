"""Executes the requests of the host link, one at a time."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.crc import catalog
from amaranth.lib.wiring import In, Out

from ..config import WORD_BITS, WORD_BYTES, ChipConfig
from ..memory import MemoryPort
from ..mesh.flit import RunLayout
from . import protocol
from .identity import identity
from .mailbox import StoredMessage
from .protocol import Request, Status
from .receiver import Received
from .run_control import ERROR_BITS, RunOrder
from .sender import Sent
from .words import BytePicker, WordFetcher

__all__ = ["CSR_SPACE", "Executor"]

ARGS, RUN = (data.StructLayout(dict(fields)) for fields in (protocol.ARGS, protocol.RUN))
ARGS_REQUESTS = (Request.READ, Request.MAILBOX, Request.COUNTERS, Request.CHECK)
EMPTY_REQUESTS = (Request.IDENTIFY, Request.WAIT, Request.RESET)
CSR_SPACE = 512
BURST = 16
"""Words CHECK reads with one command."""


class Executor(wiring.Component):
    """Takes verified requests, fills the response buffer, hands the response to the sender.

    ``request`` is taken in the cycle in which its response (or NAK) is handed over. Memory words pass bytewise: about
    25 cycles for each word of WRITE, 25 plus the memory's latency for READ, 22 and a 16th of the latency for CHECK.

    Parameters
    ----------
    config: the chip.
    mailbox_depth: of the mailbox behind ``index``.
    wait_cycles: after so many cycles WAIT is answered though the run goes on.
    clock_hz: as IDENTIFY says; 0 if unknown.

    Members
    -------
    request, request_addr, request_data: from `FrameReceiver`.
    response: to `FrameSender`; response_en, response_addr, response_data write its buffer.
    memory: one port for each channel; commands of one word, those of CHECK of up to `BURST`.
    windows: channels that have something behind their words (`dojang_hdl.guard.layout`).
    order, running, nodes_done, errors, cycles, abort: `RunControl`.
    settling: the run has ended, but what it wrote has not yet been verified.
    index, stored, messages, overflow, clear: `Mailbox`.
    link_counters: answered by COUNTERS.
    resent, rejected: one-cycle events.
    csr_addr, csr_data: register read; data belongs to the address of two cycles before.
    soft_reset: high for RESET_CYCLES.
    """

    def __init__(self, config: ChipConfig, mailbox_depth: int, wait_cycles: int, clock_hz: int = 0):
        self._config = config
        self._wait_cycles = wait_cycles
        self._clock_hz = clock_hz
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
            "order": Out(stream.Signature(RunOrder)),
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
        m.submodules.fetcher = fetcher = WordFetcher()
        m.submodules.picker = picker = BytePicker(
            {"word": WORD_BYTES, "state": WORD_BYTES, "counters": WORD_BYTES, "message": protocol.MESSAGE_BYTES,
             "register": protocol.REGISTER_BYTES, "crc": protocol.CHECK_BYTES},
            {"identity": identity(self._config, self._clock_hz)})
        m.submodules.crc = crc = catalog.CRC32_ISO_HDLC().create()

        kind = {request: Signal(name=f"is_{request.name.lower()}") for request in Request}
        args = Signal(ARGS)
        end = Signal(33)
        status = Signal(Status)
        run = Signal(RUN)
        timer = Signal(range(max(self._wait_cycles, protocol.RESET_CYCLES)))
        last = Signal(Sent)
        any_executed = Signal()
        busy, unfinished = Signal(), Signal()
        m.d.comb += [busy.eq(fetcher.busy | picker.busy), unfinished.eq(self.running | self.settling)]

        def fetch(half=0):
            m.d.comb += [fetcher.start.eq(1), fetcher.half.eq(half)]

        def answer(name):
            m.d.comb += picker.start[name].eq(1)

        def finish(value):
            m.d.sync += status.eq(value)
            m.next = "FINISH"

        # Bytes go into the response, those of the words of a CHECK into its sum.
        to_crc, response_at = Signal(), Signal(8)
        m.d.comb += [
            self.request_addr.eq(fetcher.addr), fetcher.data.eq(self.request_data),
            crc.data.eq(picker.byte), crc.valid.eq(picker.valid & to_crc),
            self.response_en.eq(picker.valid & ~to_crc), self.response_addr.eq(response_at),
            self.response_data.eq(picker.byte),
        ]
        with m.If(self.response_en):
            m.d.sync += response_at.eq(response_at + 1)

        # A command and the data of a write are offered at once and taken in any order.
        command, write, burst = Signal(), Signal(), Signal(range(BURST + 1))
        length, arrived, read_ready = Signal(range(BURST + 1)), Signal(), Signal()
        word = Signal(WORD_BITS)
        selected = Signal(self._config.channels)
        m.d.sync += selected.eq(Cat(args.channel == number for number in range(self._config.channels)))
        read_data = 0
        for number, port in enumerate(self.memory):
            # Who is alone is not chosen: `word` counts only if `arrived`.
            chosen = selected[number].replicate(WORD_BITS) if len(self.memory) > 1 else Const(-1, WORD_BITS)
            read_data |= port.read.payload & chosen
            m.d.comb += [
                port.command.valid.eq(command & selected[number]), port.command.p.write.eq(kind[Request.WRITE]),
                port.command.p.addr.eq(args.address), port.command.p.length.eq(length),
                port.write.valid.eq(write & selected[number]), port.write.p.data.eq(fetcher.word),
                port.write.p.mask.eq(-1),
                port.read.ready.eq(read_ready & selected[number]),
            ]
            with m.If(selected[number]):
                m.d.comb += arrived.eq(port.read.valid)
                with m.If(port.command.ready):
                    m.d.sync += command.eq(0)
                with m.If(port.write.ready):
                    m.d.sync += write.eq(0)
        m.d.comb += length.eq(Mux(kind[Request.CHECK] & args.count[4:].any(), BURST,
                                  Mux(kind[Request.CHECK], args.count[:4], 1)))

        values = picker.values
        m.d.comb += [
            values.word.eq(word), values.message.eq(self.stored), values.register.eq(self.csr_data),
            values.counters.eq(self.link_counters), values.crc.eq(crc.crc),
            self.index.eq(args.address), self.csr_addr.eq(args.address),
            self.order.p.context.eq(args.address), self.order.p.payload.eq(fetcher.word),
            self.response.p.eq(last),
        ]
        m.d.sync += self.soft_reset.eq(0)
        state = Signal(8 * WORD_BYTES)
        m.d.comb += values.state.eq(state)

        with m.FSM():
            with m.State("IDLE"):
                m.d.comb += [fetcher.clear.eq(1), crc.start.eq(1)]
                m.d.sync += [response_at.eq(1), timer.eq(0), burst.eq(0), to_crc.eq(0)]
                m.d.sync += [is_kind.eq(request.type == number) for number, is_kind in kind.items()]
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
                def any_of(requests):
                    return Cat(kind[number] for number in requests).any()

                length_fits = (any_of(EMPTY_REQUESTS) & (request.length == 0)
                               | any_of(ARGS_REQUESTS) & (request.length == protocol.ARGS_BYTES)
                               | kind[Request.WRITE] & (request.length[:4] == protocol.ARGS_BYTES)
                               | kind[Request.RUN] & (request.length[:4] == 0) & (request.length[4:] != 0))
                with m.If(~any_of(Request)):
                    finish(Status.UNKNOWN)
                with m.Elif(~length_fits):
                    finish(Status.LENGTH)
                with m.Elif(kind[Request.IDENTIFY]):
                    answer("identity")
                    finish(Status.OK)
                with m.Elif(kind[Request.WAIT]):
                    m.next = "WAIT"
                with m.Elif(kind[Request.RESET]):
                    m.next = "RESET"
                with m.Elif(~kind[Request.RUN]):
                    fetch(half=1)
                    m.next = "ARGS"
                with m.Elif(self.running):
                    finish(Status.BUSY)
                with m.Else():
                    fetch()
                    m.next = "RUN WORD"

            with m.State("ARGS"), m.If(~busy):
                m.d.sync += args.eq(fetcher.word[WORD_BITS - 8 * protocol.ARGS_BYTES:])
                m.next = "END"
            with m.State("RUN WORD"), m.If(~busy):
                words = RUN(fetcher.word[:RUN.size])
                m.d.sync += [run.eq(words), args.address.eq(words.first), args.count.eq(request.length[4:] - 1)]
                m.next = "END"
            with m.State("END"):
                m.d.sync += end.eq(args.address + args.count)
                m.next = "RANGE"
            with m.State("RANGE"):
                def at_most(limit):
                    """end <= limit, without a carry chain where the limit is a power of two, as most are."""
                    if limit & limit - 1:
                        return end <= limit
                    bit = limit.bit_length() - 1
                    return ~end[bit + 1:].any() & ~(end[bit] & end[:bit].any())

                few = args.count[4:] == 0
                in_memory = (selected.any() & (args.count != 0)
                             & (at_most(self._config.channel_words)
                                | args.address[-2:].any() & (self.windows & selected).any()))
                in_mailbox = ((args.count != 0) & few & (args.count[:4] <= protocol.MAX_MESSAGES)
                              & ~end[len(self.messages):].any() & (end[:len(self.messages)] <= self.messages))
                allowed = ((kind[Request.WRITE] | kind[Request.CHECK] | kind[Request.READ] & few) & in_memory
                           | kind[Request.RUN] & ((args.count == 0) | at_most(self._config.contexts))
                           | kind[Request.MAILBOX] & in_mailbox
                           | kind[Request.COUNTERS] & (args.count <= protocol.MAX_REGISTERS) & at_most(CSR_SPACE))
                with m.If(kind[Request.WRITE] & (args.count != request.length[4:])):
                    finish(Status.LENGTH)
                with m.Elif(~allowed):
                    finish(Status.ARGUMENT)
                with m.Else():
                    m.d.sync += to_crc.eq(kind[Request.CHECK])
                    m.next = "LOOP"
                    with m.If(kind[Request.COUNTERS]):
                        answer("counters")

            # One round for each word, message, register or context.
            with m.State("LOOP"), m.If(~busy):
                with m.If(args.count == 0):
                    m.d.sync += to_crc.eq(0)
                    with m.If(kind[Request.CHECK]):
                        answer("crc")
                    finish(Status.OK)
                    with m.If(kind[Request.RUN] & run.go):
                        m.d.comb += self.clear.eq(1)
                        m.next = "START"
                with m.Elif(kind[Request.WRITE]):
                    fetch()
                    m.next = "WRITE FETCH"
                with m.Elif(kind[Request.RUN]):
                    fetch()
                    m.next = "CONTEXT"
                with m.Elif(kind[Request.MAILBOX]):
                    answer("message")
                    m.next = "NEXT"
                with m.Elif(kind[Request.COUNTERS]):
                    answer("register")
                    m.next = "NEXT"
                with m.Else():
                    m.next = "READ WORD"
                    with m.If(burst == 0):
                        m.d.sync += [command.eq(1), burst.eq(length)]
            with m.State("WRITE FETCH"), m.If(~busy):
                m.d.sync += [command.eq(1), write.eq(1)]
                m.next = "WRITE WORD"
            with m.State("WRITE WORD"), m.If(~command & ~write):
                m.next = "NEXT"
            with m.State("READ WORD"):
                m.d.comb += read_ready.eq(1)
                m.d.sync += word.eq(read_data)
                with m.If(arrived):
                    m.d.sync += burst.eq(burst - 1)
                    answer("word")
                    m.next = "NEXT"
            with m.State("NEXT"), m.If(~busy):
                m.d.sync += [args.address.eq(args.address + 1), args.count.eq(args.count - 1)]
                m.next = "PAUSE"
            with m.State("PAUSE"):  # registers answer two cycles after their address
                m.next = "LOOP"

            with m.State("CONTEXT"), m.If(~busy):
                m.d.comb += self.order.valid.eq(1)
                with m.If(self.order.ready):
                    m.next = "NEXT"
            with m.State("START"):
                m.d.comb += [self.order.valid.eq(1), self.order.p.run.eq(1), self.order.p.context.eq(0),
                             self.order.p.payload.eq(run.as_value()[:RunLayout.size])]
                with m.If(self.order.ready):
                    m.next = "FINISH"

            with m.State("WAIT"):
                m.d.sync += timer.eq(timer + 1)
                m.d.sync += state.eq(Cat(
                    unfinished, self.overflow, Const(0, 6), Cat(self.nodes_done, Const(0, 8))[:8],
                    Cat(self.messages, Const(0, 16))[:16], self.errors, self.cycles))
                with m.If(~unfinished | (timer == self._wait_cycles - 1)):
                    answer("state")
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
                    last.length.eq(Mux(status == Status.OK, response_at, 1)),
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
