"""When and which bank is refreshed."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import enum, wiring
from amaranth.lib.wiring import In, Out

from .timing import BANKS, Lpddr4Config

__all__ = ["Refresher", "Temperature"]

FORCED = 4 * BANKS
"""Refreshes due from which on a bank is no longer spared because it is in use: half of what JEDEC lets postpone."""

URGENT = 5 * BANKS
"""Refreshes due from which on all banks are refreshed at once: busy banks close so slowly that at half of the interval
one at a time may not keep up."""

SLOW_RATE = 350
"""Mb/s below which one bank at a time may not keep up at all: closing it takes as long as at any rate, in cycles."""


class Temperature(enum.Enum, shape=3):
    """Refresh rate field of MR4, by the interval it asks for relative to tREFI."""

    TOO_COLD = 0
    TIMES_4 = 1
    TIMES_2 = 2
    TIMES_1 = 3
    HALF = 4
    QUARTER = 5
    QUARTER_DERATED = 6
    TOO_HOT = 7


QUARTERS = {Temperature.TIMES_4: 4, Temperature.TIMES_2: 4, Temperature.TIMES_1: 4, Temperature.HALF: 2}
"""Quarters of tREFI; where a code is not listed, one.

Not more than four: a row that is only closed for a refresh would be open for longer than tRAS allows. 0, `TOO_COLD`, is
also what a data bus reads that nobody drives: then the temperature is not known.
"""


class Refresher(wiring.Component):
    """Directed per-bank refresh, of banks that nothing waits for as long as there are any.

    Every bank has one turn in each round of eight refreshes. A bank is held, closed, refreshed, and released tRFCpb
    later. A refresh falls due every tREFI / 8; when `FORCED` are due a bank is taken although accesses wait for it.
    At a quarter of the interval eight tRFCpb would take longer than it lasts: all banks are then, and below `SLOW_RATE`
    always, refreshed at once, when nothing waits for any or `FORCED` are due. So they are at any temperature when
    `URGENT` are due. They stay closed until less than a round is due.

    Members
    -------
    enable: the memory is initialised.
    temperature: `Temperature`.
    idle, parked, hold: of each bank, see `BankPort`. closed: all are held, in the next cycle.
    ready: a REF may be sent as far as the banks are concerned, of ``bank`` or of all (``all_banks``).
    taken: it is.
    due: strobe, one refresh interval of a bank's share has passed.
    upkeep: a time without any command is wanted, after the next round that falls due.
    calm: it is there, until ``finished``; it lasts for tZQLAT after that.
    """

    def __init__(self, config: Lpddr4Config):
        self._config = config
        super().__init__({
            "enable": In(1), "temperature": In(Temperature),
            "idle": In(BANKS), "parked": In(BANKS), "closed": In(1), "hold": Out(BANKS),
            "ready": Out(1), "bank": Out(range(BANKS)), "all_banks": Out(1), "taken": In(1), "due": Out(1),
            "upkeep": In(1), "calm": Out(1), "finished": In(1),
        })

    def elaborate(self, platform):
        m = Module()
        t = self._config.timing()
        self._interval(m, t.REFI)

        everything = Signal(init=1)     # the interval is so short that only all-bank refreshes keep up
        owed = Signal(8)
        served = Signal(BANKS)      # banks that had their turn in this round
        target = Signal(BANKS)      # 0 between refreshes
        following = Signal(BANKS)
        m.d.comb += following.eq(target)
        # A register of its own: column and row commands of a cycle depend on it one after the other. In the cycle after
        # a reset, in which it is 0, no bank has anything queued.
        m.d.sync += [target.eq(following), self.hold.eq(following | self.closed.replicate(BANKS))]
        if self._config.rate >= SLOW_RATE:
            m.d.sync += everything.eq((self.temperature.as_value() >= Temperature.QUARTER.value)
                                      | (self.temperature == Temperature.TOO_COLD))
        # The memory counts rows in rounds: refreshing all banks in the midst of one only ends it.
        share = Mux(self.all_banks, sum(~served[bank] for bank in range(BANKS)), 1)
        m.d.sync += owed.eq(owed + (self.due & ~owed.all()) - Mux(self.taken, share, 0))

        recoveries = {name: max(self._config.spacing(clocks) - 1, 1)
                      for name, clocks in {"bank": t.RFCPB, "all": t.RFCAB, "calm": t.ZQLAT}.items()}
        wait = Signal(range(max(recoveries.values()) + 1))
        unused = self.idle & ~served
        with m.FSM():
            with m.State("WATCH"):
                candidates = Signal(BANKS)
                m.d.comb += candidates.eq(Mux(unused.any(), unused, Mux(owed >= FORCED, ~served, 0)))
                together = (owed >= URGENT) | everything & (owed >= FORCED) | (owed >= BANKS) & (
                    everything & self.idle.all() | self.upkeep)
                with m.If(together):
                    m.d.comb += following.eq(~0)
                    m.d.sync += self.all_banks.eq(1)
                    m.next = "CLOSE"
                with m.Elif(~everything & ~self.upkeep & (owed != 0) & candidates.any()):
                    m.d.comb += following.eq(candidates & (~candidates + 1))
                    m.d.sync += self.all_banks.eq(0)
                    m.next = "CLOSE"
            with m.State("CLOSE"):
                for bank in range(BANKS):
                    with m.If(target[bank]):
                        m.d.sync += self.bank.eq(bank)
                with m.If((self.parked & target) == target):
                    m.next = "REFRESH"
            with m.State("REFRESH"):
                m.d.comb += self.ready.eq(1)
                with m.If(self.taken):
                    m.d.sync += [
                        wait.eq(Mux(self.all_banks, recoveries["all"], recoveries["bank"])),
                        served.eq(Mux((served | target).all(), 0, served | target)),
                    ]
                    m.next = "RECOVER"
            with m.State("RECOVER"):
                m.d.sync += wait.eq(wait - 1)
                with m.If(wait == 1):
                    with m.If(self.all_banks & (owed >= BANKS)):
                        m.next = "REFRESH"
                    with m.Elif(self.all_banks & self.upkeep):
                        m.next = "CALM"
                    with m.Else():
                        m.d.comb += following.eq(0)
                        m.next = "WATCH"
            with m.State("CALM"):
                m.d.comb += self.calm.eq(1)
                with m.If(self.finished):
                    m.d.sync += wait.eq(recoveries["calm"])
                    m.next = "RECOVER"
        return m

    def _interval(self, m, refi):
        """``due`` after so many quarters of the nominal interval: on average exact, as it counts memory clocks."""
        cycle = 4 * BANKS * self._config.ratio      # what a cycle is worth where a quarter is ``refi``
        left = Signal(range(refi))
        quarters = Signal(range(max(QUARTERS.values())))
        limit = Signal.like(quarters)
        with m.Switch(self.temperature):
            for code, count in QUARTERS.items():
                with m.Case(code):
                    m.d.sync += limit.eq(count - 1)
            with m.Default():
                m.d.sync += limit.eq(0)
        with m.If(left >= cycle):
            m.d.sync += left.eq(left - cycle)
        with m.Else():
            m.d.sync += left.eq(left + (refi - cycle))
            with m.If(quarters < limit):
                m.d.sync += quarters.eq(quarters + 1)
            with m.Else():
                m.d.sync += quarters.eq(0)
                m.d.comb += self.due.eq(self.enable)
