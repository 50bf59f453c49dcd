"""The LPDDR4 controller: from the memory port to the PHY boundary."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..memory import MemoryPort, MemoryStatus
from .bank import Access, BankMachine
from .command import Command, CommandEncoder, Kind
from .counters import CommandCounters, Counters
from .gather import WriteGather
from .initialise import Initialiser
from .phy import PhyPort
from .read_buffer import ReadBuffer
from .refresh import Refresher, Temperature
from .scheduler import Scheduler
from .splitter import Splitter
from .timing import BANKS, PAGE_BURSTS, Lpddr4Config
from .upkeep import Upkeep
from .write_buffer import WriteBuffer

__all__ = ["Controller"]

class Controller(wiring.Component):
    """One x16 LPDDR4 channel as a memory port.

    Commands are cut at rows and queued by bank; every bank serves its queue in order, the banks pass each other, and
    read words are put back into order. Commands are accepted before initialisation is over, and wait.

    Parameters
    ----------
    config: the channel.

    Members
    -------
    port: `MemoryPort`. Addresses wrap at ``config.words``.
    phy: `PhyPort`.
    ready: initialisation is over, and the temperature known.
    temperature: what MR4 said last; until then, that it is hot.
    status, counters: the counters, read one by one or seen all at once.
    """

    def __init__(self, config: Lpddr4Config):
        self.config = config
        super().__init__({
            "port": In(MemoryPort()), "phy": Out(PhyPort(config.ratio)), "ready": Out(1),
            "temperature": Out(Temperature, init=Temperature.TOO_HOT),
            "status": In(MemoryStatus()), "counters": Out(Counters),
        })

    def elaborate(self, platform):
        m = Module()
        config = self.config
        m.submodules.scheduler = scheduler = Scheduler(config)
        m.submodules.initialiser = initialiser = Initialiser(config)
        m.submodules.read_buffer = read_buffer = ReadBuffer(config)
        m.submodules.write_buffer = write_buffer = WriteBuffer(config)
        banks = []
        for index in range(BANKS):
            m.submodules[f"bank{index}"] = bank = BankMachine(config)
            wiring.connect(m, bank.port, scheduler.banks[index])
            banks.append(bank)
        m.d.comb += scheduler.pressure.eq(write_buffer.pressure)
        self._dispatch(m, banks, read_buffer, write_buffer)
        self._refresh(m, banks, scheduler, initialiser, read_buffer)
        self._pins(m, scheduler, initialiser, read_buffer, write_buffer)
        m.submodules.counters = counters = CommandCounters()
        wiring.connect(m, wiring.flipped(self.status), counters.port)
        m.d.comb += [counters.column.eq(scheduler.column), counters.row.eq(scheduler.row),
                     self.counters.eq(counters.counters)]
        return m

    def _dispatch(self, m, banks, read_buffer, write_buffer):
        m.submodules.splitter = splitter = Splitter(self.config.rows)
        m.submodules.gather = gather = WriteGather(len(write_buffer.slot))
        wiring.connect(m, wiring.flipped(self.port.command), splitter.i)
        wiring.connect(m, wiring.flipped(self.port.write), gather.word)
        wiring.connect(m, read_buffer.o, wiring.flipped(self.port.read))
        piece = splitter.o.payload
        bursts = Signal(7)
        access = Signal(Access)
        queues_ready = Cat(machine.access.ready for machine in banks)
        queue_ready, conflict, room, allowed, sent = Signal(), Signal(), Signal(), Signal(), Signal()
        write, held, writable = Signal(), Signal(), Signal()
        m.d.sync += [
            held.eq(allowed & ~queue_ready),
            # Nothing else goes to the bank of what is gathered, so its queue has room until that has left.
            writable.eq(queues_ready.bit_select(gather.bank, 1)),
        ]
        m.d.comb += [
            gather.piece.payload.eq(piece), gather.piece.valid.eq(splitter.o.valid & piece.write),
            bursts.eq((piece.word[0] + piece.words + 1) >> 1),
            # What was written before a read must be in its bank's queue before it.
            conflict.eq(gather.pending.bit_select(piece.bank, 1)),
            gather.flush.eq(splitter.o.valid & ~piece.write & conflict),
            # Short pieces, to 8 bursts, and others: a comparison with their size would be a long path to the queues.
            room.eq((read_buffer.room >= PAGE_BURSTS) | (piece.words < 16) & (read_buffer.room >= 8)),
            # Gathered writes first, but a read that has been offered keeps its turn.
            gather.o.ready.eq(writable & ~held), write.eq(gather.o.valid & gather.o.ready),
            allowed.eq(splitter.o.valid & ~piece.write & ~conflict & ~write & room),
            queue_ready.eq(queues_ready.bit_select(piece.bank, 1)),
            sent.eq(allowed & queue_ready),
            read_buffer.take.eq(Mux(sent, bursts, 0)),
            splitter.o.ready.eq(Mux(piece.write, gather.piece.ready, sent)),
            write_buffer.word.eq(gather.place), write_buffer.half.eq(gather.half), write_buffer.en.eq(gather.en),
            write_buffer.take.eq(gather.take),
            gather.room.eq(write_buffer.room), gather.slot.eq(write_buffer.slot),
            access.row.eq(piece.row), access.burst.eq(piece.word[1:]), access.bursts.eq(bursts),
            access.slot.eq(read_buffer.slot), access.skip_first.eq(piece.word[0]),
            access.skip_last.eq((piece.word + piece.words)[0]),
        ]
        for index, machine in enumerate(banks):
            m.d.comb += [
                machine.access.valid.eq(write & (gather.bank == index) | allowed & (piece.bank == index)),
                machine.access.payload.eq(Mux(write, gather.o.payload, access)),
            ]

    def _refresh(self, m, banks, scheduler, initialiser, read_buffer):
        m.submodules.refresher = refresher = Refresher(self.config)
        m.submodules.upkeep = upkeep = Upkeep(self.config)
        m.d.comb += [
            refresher.enable.eq(initialiser.done), refresher.temperature.eq(self.temperature),
            refresher.idle.eq(Cat(bank.port.idle for bank in banks)),
            refresher.parked.eq(Cat(bank.port.parked for bank in banks)),
            scheduler.refresh.eq(refresher.ready), scheduler.refresh_bank.eq(refresher.bank),
            scheduler.refresh_all.eq(refresher.all_banks), refresher.taken.eq(scheduler.refresh_taken),
            upkeep.due.eq(refresher.due), refresher.upkeep.eq(upkeep.turn), upkeep.calm.eq(refresher.calm),
            refresher.finished.eq(upkeep.finished),
            scheduler.register.eq(upkeep.register), upkeep.register_taken.eq(scheduler.register_taken),
            initialiser.start.eq(upkeep.start), initialiser.latch.eq(upkeep.latch),
        ]
        for index, bank in enumerate(banks):
            m.d.comb += bank.port.hold.eq(refresher.hold[index] | ~self.ready)
        with m.If(read_buffer.register_valid):
            m.d.sync += [self.temperature.eq(read_buffer.register[:3]), self.ready.eq(1)]

    def _pins(self, m, scheduler, initialiser, read_buffer, write_buffer):
        commands = Signal(data.ArrayLayout(Command, self.config.ratio // 4))
        if self.config.ratio == 4:
            m.d.comb += commands[0].eq(Mux(scheduler.row.kind == Kind.NOP, scheduler.column, scheduler.row))
        else:
            m.d.comb += [commands[0].eq(scheduler.column), commands[1].eq(scheduler.row)]
        with m.If(initialiser.sends):
            m.d.comb += commands[0].eq(initialiser.command)
        phy = self.phy
        for index in range(self.config.ratio // 4):
            m.submodules[f"encoder{index}"] = encoder = CommandEncoder()
            m.d.comb += encoder.command.eq(commands[index])
            m.d.sync += phy.cs[4 * index:4 * index + 4].eq(encoder.cs)
            m.d.sync += [phy.ca[4 * index + clock].eq(encoder.ca[clock]) for clock in range(4)]
        m.d.sync += [
            phy.reset_n.eq(initialiser.reset_n), phy.cke.eq(initialiser.cke), phy.read_start.eq(scheduler.sent.read)]
        m.d.comb += [
            phy.calibrate.eq(initialiser.calibrate), initialiser.calibrated.eq(phy.calibrated),
            read_buffer.sent.eq(scheduler.sent), read_buffer.data.eq(phy.read), read_buffer.valid.eq(phy.read_valid),
            write_buffer.sent.eq(scheduler.sent),
            phy.write.eq(write_buffer.data), phy.mask.eq(write_buffer.mask), phy.write_valid.eq(write_buffer.valid),
        ]
