"""The host bridge: from a byte stream to memory, mesh and counters."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..config import ChipConfig
from ..isa import Flag
from ..memory import MemoryPort
from ..mesh.flit import DataLink
from ..mesh.message import HostMessage
from .counters import LinkCounters
from .executor import CSR_SPACE, Executor
from .mailbox import Mailbox
from .receive_fifo import ReceiveFifo
from .receiver import BUFFER_BYTES, FrameReceiver
from .run_control import RunControl
from .sender import FrameSender

__all__ = ["HostBridge"]


class HostBridge(wiring.Component):
    """Answers the frames of a host; the protocol is docs/reference/host-link.md.

    Parameters
    ----------
    config: the chip.
    byte_timeout: cycles without a byte after which a begun frame is dropped; if None, 20 ms, or 2^18 cycles at an
        unknown clock.
    wait_cycles: cycles after which WAIT is answered though the run goes on.
    clock_hz: as IDENTIFY says; 0 if unknown.

    Members
    -------
    rx, tx: bytes from and to the host; rx is always ready.
    room: the host may send: see `ReceiveFifo`.
    answering: a request is being executed, or has come.
    bad_frame: event, one cycle late: a frame was dropped, for its length, its CRC or the time-out.
    memory: one port for each channel.
    windows, memory_busy, memory_error: channels that are guarded, some channel's busy and error (`MemoryStatus`).
    control: CONTEXT and RUN flits to all nodes.
    messages: what the nodes send, always ready.
    running: from the RUN flit until the last node's DONE. count_enable is the same.
    count_clear: one cycle before each run.
    csr_addr, csr_data: register read; data belongs to the address of two cycles before.
    soft_reset: 16 cycles for each RESET.
    """

    def __init__(self, config: ChipConfig, byte_timeout: int | None = None, wait_cycles: int = 1 << 18,
                 clock_hz: int = 0):
        if byte_timeout is None:
            byte_timeout = clock_hz // 50 or 1 << 18
        for name, value in (("byte_timeout", byte_timeout), ("wait_cycles", wait_cycles)):
            if value < 2:
                raise ValueError(f"{name}={value}, expected at least 2 cycles")
        self._config = config
        self._byte_timeout = byte_timeout
        self._wait_cycles = wait_cycles
        self._clock_hz = clock_hz
        super().__init__({
            "rx": In(stream.Signature(8)),
            "tx": Out(stream.Signature(8)),
            "room": Out(1),
            "answering": Out(1),
            "bad_frame": Out(1),
            "memory": Out(MemoryPort()).array(config.channels),
            "windows": In(config.channels),
            "memory_busy": In(1),
            "memory_error": In(1),
            "control": Out(DataLink()),
            "messages": In(stream.Signature(HostMessage)),
            "running": Out(1),
            "count_enable": Out(1),
            "count_clear": Out(1),
            "csr_addr": Out(range(CSR_SPACE)),
            "csr_data": In(32),
            "soft_reset": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.fifo = fifo = ReceiveFifo()
        m.submodules.receiver = receiver = FrameReceiver(self._byte_timeout)
        m.submodules.sender = sender = FrameSender()
        m.submodules.mailbox = mailbox = Mailbox(self._config)
        m.submodules.run_control = run_control = RunControl(self._config)
        m.submodules.executor = executor = Executor(self._config, mailbox.depth, self._wait_cycles, self._clock_hz)
        m.submodules.counters = counters = LinkCounters()
        m.submodules.response = response = memory.Memory(shape=8, depth=BUFFER_BYTES, init=[])
        write, read = response.write_port(), response.read_port()

        connect(m, flipped(self.rx), fifo.i)
        connect(m, fifo.o, receiver.rx)
        connect(m, receiver.frame, executor.request)
        connect(m, executor.response, sender.frame)
        connect(m, sender.tx, flipped(self.tx))
        connect(m, executor.order, run_control.order)
        connect(m, run_control.control, flipped(self.control))
        connect(m, flipped(self.messages), mailbox.messages)
        for port, outer in zip(executor.memory, self.memory, strict=True):
            connect(m, port, flipped(outer))
        # A run has ended when its writes are known to be in memory.
        memory_busy, memory_error = Signal(), Signal()
        m.d.sync += [memory_busy.eq(self.memory_busy), memory_error.eq(self.memory_error),
                     self.bad_frame.eq(receiver.corrupt | receiver.truncated)]
        m.d.comb += [
            self.room.eq(fifo.room), self.answering.eq(receiver.frame.valid | fifo.o.valid),
            receiver.addr.eq(executor.request_addr), executor.request_data.eq(receiver.data),
            write.en.eq(executor.response_en), write.addr.eq(executor.response_addr),
            write.data.eq(executor.response_data),
            read.addr.eq(sender.addr), sender.data.eq(read.data),

            run_control.message.eq(self.messages.payload), run_control.message_valid.eq(self.messages.valid),
            run_control.abort.eq(executor.abort),
            executor.running.eq(run_control.running), executor.settling.eq(memory_busy),
            executor.nodes_done.eq(run_control.nodes_done), executor.cycles.eq(run_control.cycles),
            executor.errors.eq(run_control.errors | Mux(memory_error, Flag.MEMORY, 0)),
            executor.windows.eq(self.windows),

            mailbox.clear.eq(executor.clear), mailbox.index.eq(executor.index),
            executor.stored.eq(mailbox.stored), executor.messages.eq(mailbox.count),
            executor.overflow.eq(mailbox.overflow),

            # In the order of protocol.LINK_COUNTERS.
            counters.events.eq(Cat(receiver.corrupt, receiver.truncated, receiver.skipped, fifo.overrun,
                                   executor.resent, executor.rejected, mailbox.dropped, Const(0, 1))),
            executor.link_counters.eq(counters.values),

            self.running.eq(run_control.running), self.count_enable.eq(run_control.running),
            self.count_clear.eq(run_control.count_clear),
            self.csr_addr.eq(executor.csr_addr), executor.csr_data.eq(self.csr_data),
            self.soft_reset.eq(executor.soft_reset),
        ]
        return m
