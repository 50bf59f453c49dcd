"""Checks everything that comes from a memory, and protects everything that goes there."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..counters import FIRST_GUARD_COUNTER, GUARD_COUNTERS
from ..event_counters import EventCounters
from ..memory import MemoryPort, MemoryStatus
from .front import Front
from .injector import Injector
from .jobs import Purpose
from .layout import FAULT_KINDS
from .locate import Locator
from .merger import SEALED
from .reader import Reader
from .registers import Registers
from .writer import Writer

__all__ = ["Guard"]

QUIET_CYCLES = 16
"""Cycles without a command after which what was written is read back, if it has been written for a while."""

WRITTEN_CYCLES, READ_BACK_CYCLES = 256, 65535
"""Cycles since anything was written: a memory has written it if it is not read, and in any case. To read it before
would hold up all other reads until it has, and attention may be going to read it anyway."""

MOST_IN_A_ROW, BETWEEN_CYCLES = 32, 16
"""Clusters that are written in a row while reads wait, those of a tile of V, if the memory has enough to read: it takes
its commands in order, so that each read between them would hold up the ones behind it. And cycles from one to the next
of a row."""

_TILE, _CLUSTER, _LOST, _REJECTED = range(len(FAULT_KINDS))


class Guard(wiring.Component):
    """A memory port whose words are right, or known to be wrong; docs/reference/guard.md says how.

    Commands of up to 256 words. A word comes when its block has been checked: some 20 cycles and the block's length
    after the memory has got the command. One word a cycle, less the headers.

    Parameters
    ----------
    tile: data words of a tile, a power of two from 16 to 256.
    entries: clusters gathered for writing at once; two for each writer leave all of them undisturbed.
    control_window: the memory takes commands to `CONTROL_WINDOW`, their address as it is. Otherwise it never gets
        such a one.

    Members
    -------
    port: `MemoryPort` for the chip.
    memory: `MemoryPort` of the memory; commands of up to 514 words.
    status: `MemoryStatus`, the counters from `FIRST_GUARD_COUNTER` on. events: what they count in this cycle.
    """

    def __init__(self, tile: int, entries: int = 4, control_window: bool = False):
        if tile & (tile - 1) or not 16 <= tile <= 256:
            raise ValueError(f"tile={tile}, expected a power of two from 16 to 256 words")
        self._tile, self._entries, self._control_window = tile, entries, control_window
        super().__init__({"port": In(MemoryPort()), "memory": Out(MemoryPort()), "status": In(MemoryStatus()),
                          "events": Out(data.StructLayout(dict.fromkeys(GUARD_COUNTERS, 1)))})

    def elaborate(self, platform):
        m = Module()
        m.submodules.registers = registers = Registers()
        m.submodules.front = front = Front(self._entries + SEALED, self._control_window)
        m.submodules.writer = writer = Writer(self._entries)
        m.submodules.reader = reader = Reader(self._tile, len(writer.jobs) + 1)
        m.submodules.locator = locator = Locator(self._tile, 3)
        m.submodules.injector = injector = Injector()
        wiring.connect(m, injector.o, wiring.flipped(self.memory))
        wiring.connect(m, wiring.flipped(self.port.command), front.command)
        wiring.connect(m, wiring.flipped(self.port.write), front.write)
        wiring.connect(m, reader.o, wiring.flipped(self.port.read))
        wiring.connect(m, injector.i.read, reader.i)
        wiring.connect(m, locator.o, injector.i.command)
        wiring.connect(m, front.cluster, writer.i)
        wiring.connect(m, writer.sealer, reader.sealer)

        control = registers.control
        m.d.comb += [
            front.tiles_end.eq(control.tiles_end), locator.tiles_end.eq(control.tiles_end), writer.control.eq(control),
            registers.address.eq(front.register), registers.write.eq(front.register_write),
            registers.write_data.eq(front.register_data), reader.given.eq(registers.data),
            injector.start.eq(registers.inject), injector.injection.eq(registers.injection),
            injector.mask.eq(registers.mask), registers.left.eq(injector.left),
        ]
        m.d.sync += reader.give.eq(front.give)
        self._memory(m, front, reader, writer, locator, injector)
        self._rest(m, front, reader, writer, locator)
        self._report(m, front, reader, registers)
        return m

    def _memory(self, m, front, reader, writer, locator, injector):
        """Reads and writes share the way to the memory; writes first, and as many as there are up to a bound."""
        row, between, hold = Signal(range(MOST_IN_A_ROW + 1)), Signal(range(BETWEEN_CYCLES + 1)), Signal()
        with m.If(writer.placing):
            m.d.sync += between.eq(BETWEEN_CYCLES)
        with m.Elif(between != 0):
            m.d.sync += between.eq(between - 1)
        with m.If(reader.issue.valid & reader.issue.ready | (between == 0) & ~writer.placing):
            m.d.sync += row.eq(0)
        with m.Elif(writer.place.valid & writer.place.ready & (row != MOST_IN_A_ROW)):
            m.d.sync += row.eq(row + 1)
        m.d.sync += hold.eq((between != 0) & (row != MOST_IN_A_ROW) & reader.busy)
        wiring.connect(m, writer.place, locator.i[0])
        wiring.connect(m, front.place, locator.i[1])
        job, place, write = reader.issue.payload, locator.i[2].payload, injector.i.write
        m.d.comb += [
            locator.i[2].valid.eq(reader.issue.valid), reader.issue.ready.eq(locator.i[2].ready), locator.hold.eq(hold),
            place.raw.eq(job.raw), place.tile.eq(job.tile), place.addr.eq(job.addr), place.length.eq(job.length),
            reader.idle.eq(locator.idle), reader.sent_words.eq(locator.o.payload.length),
            reader.sent.eq(locator.o.valid & locator.o.ready & ~locator.o.payload.write),
            # Raw words move only while the writer rests.
            write.valid.eq(writer.write.valid | front.raw.valid),
            write.payload.eq(Mux(front.raw.valid, front.raw.payload, writer.write.payload)),
            front.raw.ready.eq(write.ready), writer.write.ready.eq(write.ready),
        ]
        for job, taken in zip((*writer.jobs, front.job), reader.jobs, strict=True):
            wiring.connect(m, job, taken)

    def _rest(self, m, front, reader, writer, locator):
        quiet = Signal(range(QUIET_CYCLES + 1))
        since = Signal(range(READ_BACK_CYCLES + 1))     # cycles, anything was to be written
        with m.If(~writer.idle):
            m.d.sync += since.eq(0)
        with m.Elif(since != READ_BACK_CYCLES):
            m.d.sync += since.eq(since + 1)
        with m.If(front.waiting):
            m.d.sync += quiet.eq(0)
        with m.Elif(quiet != QUIET_CYCLES):
            m.d.sync += quiet.eq(quiet + 1)
        m.d.sync += [
            front.resting.eq(reader.empty & reader.room & writer.idle & ~writer.pending & locator.idle
                             & ~Cat(job.valid for job in writer.jobs).any()),
            self.status.busy.eq(~writer.idle | writer.pending),
        ]
        m.d.comb += [
            front.clusters.eq(writer.clusters), front.used.eq(writer.used),
            front.writes_waiting.eq(writer.waiting),
            writer.flush.eq(front.flush), writer.halt.eq(front.rest), writer.read.eq(front.cluster_read),
            writer.first.eq(front.addr), writer.last.eq(front.last_addr),
            writer.quiet.eq(front.rest | (quiet == QUIET_CYCLES) & (since >= WRITTEN_CYCLES)
                            | (since == READ_BACK_CYCLES)),
            reader.verify_crc.eq(writer.verify_crc),
            writer.old.eq(reader.old), writer.old_en.eq(reader.old_en), writer.restart.eq(reader.restart),
            writer.judged.eq(reader.judged), writer.verdict.eq(reader.verdict),
        ]

    def _report(self, m, front, reader, registers):
        m.submodules.counters = counters = EventCounters(GUARD_COUNTERS)
        block, purpose = reader.verdict.block, Signal(Purpose)
        wrong, events, fault = Signal(), self.events, registers.fault
        m.d.comb += [
            purpose.eq(block.purpose), wrong.eq(reader.judged & ~reader.verdict.good),
            registers.failed.eq(wrong | front.rejected),
            fault.address.eq(Mux(wrong, block.addr, front.addr)),
            fault.kind.eq(Mux(~wrong, _REJECTED, Mux(
                purpose == Purpose.VERIFY, _LOST, Mux(block.tile, _TILE, _CLUSTER)))),
            events.tiles_reread.eq(reader.again & block.tile), events.clusters_reread.eq(reader.again & ~block.tile),
            events.errors.eq(registers.failed), events.corrected.eq(reader.corrected),
            events.merged.eq(reader.judged & (purpose == Purpose.MERGE)),
            events.patrolled.eq(reader.judged & (purpose == Purpose.PATROL)),
            events.verified.eq(reader.judged & (purpose == Purpose.VERIFY)),
            counters.events.eq(events), counters.enable.eq(self.status.enable), counters.clear.eq(self.status.clear),
            counters.address.eq(self.status.address - FIRST_GUARD_COUNTER), self.status.data.eq(counters.data),
            self.status.guarded.eq(1), self.status.error.eq(registers.error),
        ]
