"""Several masters on one memory port."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, fifo, wiring
from amaranth.lib.wiring import In, Out

from .memory import LENGTH_BITS, MemoryCommand, MemoryPort
from .streams.arbiter import MatrixArbiter
from .streams.buffer import Buffer

__all__ = ["MemoryArbiter"]

_OUTSTANDING = 16
"""Commands whose words have not all moved, for reads and writes each."""

_PATIENCE = 8
"""Grants in a row to master 0 after which another one that waits has its turn."""


class MemoryArbiter(wiring.Component):
    """Serves ``count`` masters in grant order: master 0 first, the others fairly after it.

    Master 0 gets at most eight commands in a row while another master waits. Write words follow their commands, also
    when a master offers them early; read words return to the master that asked. Commands pass at one per cycle, words
    pass combinationally. A master that does not drain its read words, or is late with its write words, holds up
    everybody.

    Members
    -------
    masters: array of `MemoryPort`.
    memory: `MemoryPort`.
    """

    def __init__(self, count: int):
        if count < 1:
            raise ValueError(f"count={count}, expected at least one master")
        self._count = count
        super().__init__({"masters": In(MemoryPort()).array(count), "memory": Out(MemoryPort())})

    def elaborate(self, platform):
        m = Module()
        m.submodules.command = command = Buffer(MemoryCommand)
        wiring.connect(m, command.o, wiring.flipped(self.memory.command))
        job = data.StructLayout({"master": self._count, "length": LENGTH_BITS})
        m.submodules.reads = reads = fifo.SyncFIFO(width=job.size, depth=_OUTSTANDING)
        m.submodules.writes = writes = fifo.SyncFIFO(width=job.size, depth=_OUTSTANDING)

        grant = self._choose(m, command.i.ready & reads.w_rdy & writes.w_rdy)
        chosen = command.i.payload
        m.d.comb += command.i.valid.eq(grant.any())
        for index, master in enumerate(self.masters):
            m.d.comb += master.command.ready.eq(grant[index])
            with m.If(grant[index]):
                m.d.comb += chosen.eq(master.command.payload)
        m.d.comb += [
            reads.w_data.eq(Cat(grant, chosen.length)), reads.w_en.eq(grant.any() & ~chosen.write),
            writes.w_data.eq(Cat(grant, chosen.length)), writes.w_en.eq(grant.any() & chosen.write),
        ]

        port = self.memory
        read_owner = self._owner(m, job, reads, port.read.valid & port.read.ready)
        write_owner = self._owner(m, job, writes, port.write.valid & port.write.ready)
        for index, master in enumerate(self.masters):
            m.d.comb += [
                master.read.payload.eq(port.read.payload),
                master.read.valid.eq(port.read.valid & read_owner[index]),
                master.write.ready.eq(port.write.ready & write_owner[index]),
            ]
            with m.If(read_owner[index]):
                m.d.comb += port.read.ready.eq(master.read.ready)
            with m.If(write_owner[index]):
                m.d.comb += [port.write.payload.eq(master.write.payload), port.write.valid.eq(master.write.valid)]
        return m

    def _choose(self, m, room):
        """One-hot grant of a command in this cycle."""
        wants = Cat(master.command.valid for master in self.masters)
        grant = Signal(self._count)
        if self._count == 1:
            m.d.comb += grant.eq(wants & room)
            return grant
        m.submodules.others = others = MatrixArbiter(self._count - 1)
        in_a_row = Signal(range(_PATIENCE + 1))
        first = Signal()
        m.d.comb += [
            first.eq(wants[0] & ((in_a_row != _PATIENCE) | ~others.request.any())),
            others.request.eq(wants[1:]),
            others.advance.eq(room & ~first),
            grant.eq(Mux(room, Mux(first, 1, Cat(Const(0, 1), others.grant)), 0)),
        ]
        with m.If(grant[1:].any() | ~others.request.any()):
            m.d.sync += in_a_row.eq(0)
        with m.Elif(grant[0]):
            m.d.sync += in_a_row.eq(in_a_row + 1)
        return grant

    def _owner(self, m, layout, jobs, moved):
        """One-hot master whose words move now (0: nobody's); advances with each word that ``moved``."""
        current = Signal(layout)
        with m.If((current.master == 0) | moved & (current.length == 1)):
            m.d.comb += jobs.r_en.eq(1)
            m.d.sync += current.eq(Mux(jobs.r_rdy, jobs.r_data, 0))
        with m.Elif(moved):
            m.d.sync += current.length.eq(current.length - 1)
        return current.master
