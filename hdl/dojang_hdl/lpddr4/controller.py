"""The LPDDR4 controller: from the memory port to the PHY boundary."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..memory import MemoryPort, MemoryStatus
from .bank import Access, BankMachine
from .command import Command, CommandEncoder, Kind
from .counters import CommandCounters, Events
from .gather import WriteGather
from .initialise import Initialiser
from .phy import PhyPort
from .port_switch import PortSwitch
from .ports import each_port, ports_of
from .read_buffer import ReadBuffer
from .refresh import Refresher, Temperature
from .scheduler import Scheduler
from .splitter import Splitter
from .timing import BANKS, PAGE_BURSTS, Lpddr4Config
from .upkeep import Upkeep
from .waiting_reads import WaitingReads
from .write_buffer import WriteBuffer

__all__ = ["Controller"]

READ_BURSTS = 256
"""Bursts that reads look ahead, of all ports: four rows. Of a port's four banks two then have nothing queued, so that
its stream does not meet refreshes."""


class Controller(wiring.Component):
    """One x16 LPDDR4 channel as a memory port, or as two.

    Commands are cut at rows and queued by bank; every bank serves its queue in order, the banks pass each other, and
    read words are put back into order. Commands are accepted before initialisation is over, and wait. Two ports share
    the pins and nothing else: each has its part of the banks, and its own buffers and order.

    Parameters
    ----------
    config: the channel.

    Members
    -------
    port: `MemoryPort`, an array of them if ``config.ports`` are more than one. Addresses wrap at
        ``config.port_words``.
    phy: `PhyPort`.
    ready: initialisation is over, and the temperature known.
    temperature: what MR4 said last; until then, that it is hot.
    status: the counters, of each port; the first one has the channel's counters, the other one none.
    events: what they count in this cycle.
    """

    def __init__(self, config: Lpddr4Config):
        self.config = config
        super().__init__({
            "port": each_port(config, In(MemoryPort())), "phy": Out(PhyPort(config.ratio)), "ready": Out(1),
            "temperature": Out(Temperature, init=Temperature.TOO_HOT),
            "status": each_port(config, In(MemoryStatus())), "events": Out(Events),
        })

    def elaborate(self, platform):
        m = Module()
        config = self.config
        m.submodules.scheduler = scheduler = Scheduler(config)
        m.submodules.initialiser = initialiser = Initialiser(config)
        buffers = []
        for mark in self._marks:
            m.submodules[f"read_buffer{mark}"] = read_buffer = ReadBuffer(config, READ_BURSTS // config.ports)
            m.submodules[f"write_buffer{mark}"] = write_buffer = WriteBuffer(config)
            buffers.append((read_buffer, write_buffer))
        banks = []
        for index in range(BANKS):
            m.submodules[f"bank{index}"] = bank = BankMachine(config)
            wiring.connect(m, bank.port, scheduler.banks[index])
            banks.append(bank)
        pressures = [write_buffer.pressure for _, write_buffer in buffers]
        for number, (read_buffer, write_buffer) in enumerate(buffers):
            first = number * config.port_banks
            pressures.append(
                self._dispatch(m, banks[first:first + config.port_banks], read_buffer, write_buffer, number))
        if config.ports > 1:
            pressures.append(self._waiting_reads(m, banks))
        m.d.comb += scheduler.pressure.eq(Cat(pressures).any())
        self._refresh(m, banks, scheduler, initialiser, buffers[0][0])
        self._pins(m, scheduler, initialiser)
        if config.ports == 1:
            self._buffers(m, scheduler, *buffers[0])
        else:
            self._share(m, scheduler, buffers)
        m.submodules.counters = counters = CommandCounters()
        wiring.connect(m, wiring.flipped(ports_of(self.config, self.status)[0]), counters.port)
        m.d.comb += [counters.column.eq(scheduler.column), counters.row.eq(scheduler.row),
                     self.events.eq(counters.events)]
        return m

    @property
    def _marks(self):
        """What the names of each port's parts end with."""
        return ("",) if self.config.ports == 1 else tuple(map(str, range(self.config.ports)))

    def _dispatch(self, m, banks, read_buffer, write_buffer, number=0):
        """From a port to its banks. Returns the signal that writes wait for a bank whose queue is full."""
        port, mark = ports_of(self.config, self.port)[number], self._marks[number]
        m.submodules[f"splitter{mark}"] = splitter = Splitter(self.config.rows, self.config.port_banks)
        m.submodules[f"gather{mark}"] = gather = WriteGather(len(write_buffer.slot), self.config.port_banks)
        wiring.connect(m, wiring.flipped(port.command), splitter.i)
        wiring.connect(m, wiring.flipped(port.write), gather.word)
        wiring.connect(m, read_buffer.o, wiring.flipped(port.read))
        piece = splitter.o.payload
        bursts = Signal(7)
        access = Signal(Access)
        queues_ready = Cat(machine.access.ready for machine in banks)
        queue_ready, conflict, room, allowed, sent = Signal(), Signal(), Signal(), Signal(), Signal()
        write, held, writable, stuck = Signal(), Signal(), Signal(), Signal()
        m.d.sync += [
            stuck.eq(gather.o.valid & ~writable),
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
        return stuck

    def _refresh(self, m, banks, scheduler, initialiser, read_buffer):
        m.submodules.refresher = refresher = Refresher(self.config)
        m.submodules.upkeep = upkeep = Upkeep(self.config)
        m.d.comb += [
            refresher.enable.eq(initialiser.done), refresher.temperature.eq(self.temperature),
            refresher.idle.eq(Cat(bank.port.idle for bank in banks)),
            refresher.parked.eq(Cat(bank.port.parked for bank in banks)),
            scheduler.refresh.eq(refresher.ready), scheduler.refresh_bank.eq(refresher.bank),
            scheduler.refresh_all.eq(refresher.all_banks), refresher.taken.eq(scheduler.refresh_taken),
            upkeep.due.eq(refresher.due), refresher.upkeep.eq(upkeep.turn),
            refresher.finished.eq(upkeep.finished), refresher.closed.eq(~self.ready),
            scheduler.register.eq(upkeep.register), upkeep.register_taken.eq(scheduler.register_taken),
            initialiser.start.eq(upkeep.start), initialiser.latch.eq(upkeep.latch),
        ]
        m.d.sync += upkeep.calm.eq(refresher.calm)      # it leads to the choice among the banks
        for index, bank in enumerate(banks):
            m.d.comb += bank.port.hold.eq(refresher.hold[index])
        with m.If(read_buffer.register_valid):
            m.d.sync += [self.temperature.eq(read_buffer.register[:3]), self.ready.eq(1)]

    def _waiting_reads(self, m, banks):
        m.submodules.waiting_reads = reads = WaitingReads(BANKS, banks[0].accesses)
        for index, bank in enumerate(banks):
            offered, column = bank.access.valid & ~bank.access.payload.write, bank.port.column
            m.d.comb += [
                reads.offered[index].eq(offered), reads.taken[index].eq(offered & bank.access.ready),
                reads.done[index].eq(bank.port.column_taken & bank.port.last & ~column.write),
                reads.writes[index].eq(bank.port.column_soon & column.write),
            ]
        return reads.waiting

    def _pins(self, m, scheduler, initialiser):
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
        ]

    def _buffers(self, m, scheduler, read_buffer, write_buffer):
        phy = self.phy
        m.d.comb += [
            read_buffer.sent.eq(scheduler.sent), read_buffer.data.eq(phy.read), read_buffer.valid.eq(phy.read_valid),
            write_buffer.sent.eq(scheduler.sent),
            phy.write.eq(write_buffer.data), phy.mask.eq(write_buffer.mask), phy.write_valid.eq(write_buffer.valid),
        ]

    def _share(self, m, scheduler, buffers):
        """As `_buffers`, of two ports."""
        phy = self.phy
        m.submodules.switch = switch = PortSwitch(self.config)
        m.d.comb += [
            switch.sent.eq(scheduler.sent), switch.second.eq(scheduler.column.bank >= self.config.port_banks),
            switch.arrived.eq(phy.read_valid), phy.write.eq(switch.data), phy.mask.eq(switch.masks),
            phy.write_valid.eq(switch.valid),
        ]
        for number, (read_buffer, write_buffer) in enumerate(buffers):
            m.d.comb += [
                read_buffer.sent.eq(switch.of_port[number]), read_buffer.data.eq(phy.read),
                read_buffer.valid.eq(switch.arrived_of[number]), write_buffer.sent.eq(switch.of_port[number]),
                switch.write[number].eq(write_buffer.data), switch.mask[number].eq(write_buffer.mask),
                switch.write_valid[number].eq(write_buffer.valid),
            ]
