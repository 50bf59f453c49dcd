"""LiteDRAM's parts put together for a single master, whose commands are spread over the banks at once.

LiteDRAM's crossbar keeps a master's commands in order by locking it to a bank until that bank is done with all it has:
every new row is opened in the data's time. Here each bank takes its commands as they come, and closes and opens rows
while another one's words move; what keeps the order is a queue of the banks whose turn it is.
"""

# pyright: reportOperatorIssue=false
# A migen module's comb, sync and submodules come into being when they are used.
from litedram.common import LiteDRAMInterface, LiteDRAMNativePort, cmd_request_rw_layout
from litedram.core.bankmachine import BankMachine
from litedram.core.multiplexer import Multiplexer
from litedram.core.refresher import Refresher
from litedram.dfii import DFIInjector
from litex.soc.interconnect import stream
from litex.soc.interconnect.csr import AutoCSR
from migen import Cat, If, Module, Mux, Replicate, Signal, bits_for

__all__ = ["OneMasterCore"]

COMMANDS = 16
"""Commands that banks have taken and the memory has not; a row is opened so many ahead at most."""


class OneMasterCore(Module, AutoCSR):
    """Controller and injector of a PHY; reads and writes in the order of ``port``, a `LiteDRAMNativePort`.

    Parameters are those of `litedram.core.LiteDRAMCore`; one rank.
    """

    def __init__(self, phy, geometry, timing, clock_hz, settings):
        settings.phy, settings.geom, settings.timing = phy.settings, geometry, timing
        self.submodules.dfii = injector = DFIInjector(
            geometry.addressbits, geometry.bankbits, phy.settings.nranks, phy.settings.dfi_databits,
            phy.settings.nphases)
        align = (8 if phy.settings.memtype == "DDR3" else phy.settings.nphases).bit_length() - 1
        self.interface = interface = LiteDRAMInterface(align, settings)
        self.submodules.refresher = refresher = Refresher(
            settings, clock_hz, settings.refresh_zqcs_freq, settings.refresh_postponing)
        machines = [BankMachine(number, interface.address_width, align, 1, settings)
                    for number in range(interface.nbanks)]
        self.submodules += machines
        self.port = LiteDRAMNativePort("both", interface.address_width + geometry.bankbits, interface.data_width)
        self.submodules.turns = turns = _Turns(interface.nbanks)
        gates = [_Gate(machine, turn) for machine, turn in zip(machines, turns.turn, strict=True)]
        self.submodules += gates
        self.submodules.multiplexer = Multiplexer(settings, gates, refresher, injector.slave, interface)
        self.comb += injector.master.connect(phy.dfi)
        self._commands([machine.req for machine in machines], turns, geometry.colbits - align)
        self._data([machine.req for machine in machines], phy.settings)

    def _commands(self, banks, turns, column_bits):
        command = self.port.cmd
        bank_bits = bits_for(len(banks) - 1)
        bank = command.addr[column_bits:column_bits + bank_bits]
        ready = Signal(len(banks))
        for number, request in enumerate(banks):
            chosen = Signal()
            self.comb += [
                chosen.eq((bank == number) & turns.room), request.valid.eq(command.valid & chosen),
                ready[number].eq(request.ready & chosen), request.we.eq(command.we),
                request.addr.eq(Cat(command.addr[:column_bits], command.addr[column_bits + bank_bits:])),
            ]
        self.comb += [
            command.ready.eq(ready != 0), turns.put.eq(command.valid & command.ready), turns.bank.eq(bank),
            turns.done.eq(Cat(*(request.wdata_ready | request.rdata_valid for request in banks)) != 0),
        ]

    def _data(self, banks, settings):
        """Words move a fixed number of cycles after their commands."""
        port, interface = self.port, self.interface
        for latency, now, then in (
                (settings.write_latency, [request.wdata_ready for request in banks], port.wdata.ready),
                (settings.read_latency, [request.rdata_valid for request in banks], port.rdata.valid)):
            stages = Signal(latency + 1)
            self.sync += stages.eq(Cat(Cat(*now) != 0, stages))
            self.comb += then.eq(stages[latency])
        self.comb += [
            interface.wdata.eq(port.wdata.data),
            interface.wdata_we.eq(port.wdata.we & Replicate(port.wdata.ready, len(port.wdata.we))),
            port.rdata.data.eq(interface.rdata),
        ]


class _Gate(Module):
    """A bank machine as the multiplexer sees it: it reads and writes only in its turn, rows it opens at any time."""

    def __init__(self, machine, turn):
        self.refresh_req, self.refresh_gnt = machine.refresh_req, machine.refresh_gnt
        inner = machine.cmd
        self.cmd = outer = stream.Endpoint(cmd_request_rw_layout(len(inner.a), len(inner.ba)))
        may = Signal()
        self.comb += [
            may.eq(turn | inner.is_cmd), inner.connect(outer, omit={"valid", "ready"}),
            outer.valid.eq(inner.valid & may), inner.ready.eq(outer.ready & may),
        ]


class _Turns(Module):
    """Whose command is the oldest; a bank a command.

    ``put``, ``bank``: a bank has taken one, when there is ``room``. ``done``: the oldest has been given to the memory.
    ``turn``: one-hot; a command is there in the second cycle after its ``put`` at the latest, as in its bank.
    """

    def __init__(self, banks):
        self.put, self.bank, self.done = Signal(), Signal(bits_for(banks - 1)), Signal()
        self.room, self.turn = Signal(), Signal(banks)
        self.submodules.queue = queue = stream.SyncFIFO([("bank", len(self.bank))], COMMANDS)
        head = queue.source
        self.comb += [
            queue.sink.valid.eq(self.put), queue.sink.bank.eq(self.bank), self.room.eq(queue.sink.ready),
            head.ready.eq(self.done | (self.turn == 0)),
        ]
        self.sync += If(head.ready, self.turn.eq(Mux(head.valid, 1 << head.bank, 0)))
