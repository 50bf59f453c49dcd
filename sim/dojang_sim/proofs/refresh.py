"""The refresher gives every bank its turn, and keeps JEDEC's deadline if banks close in bounded time."""

from amaranth.hdl import Assert, Assume, Const, Module, Mux, Signal, signed
from amaranth.lib.wiring import In
from dojang_hdl.lpddr4.refresh import FORCED, SLOW_RATE, URGENT, Refresher, Temperature
from dojang_hdl.lpddr4.timing import BANKS, Lpddr4Config

from .progress import calm_cycles, close_cycles, send_all_cycles, send_cycles
from .prove import Harness
from .rules import ones

__all__ = ["POSTPONED", "DeadlineBounds", "RefreshDeadline", "RefreshTurns"]

POSTPONED = 8
"""Refreshes of a bank that JEDEC lets postpone."""

ALL = Const(2 ** BANKS - 1, BANKS)

WATCH, CLOSE, REFRESH, RECOVER, CALM = range(5)     # of the refresher, in the order of its source


class _RefreshHarness(Harness):
    """A refresher with free banks, a free scheduler and times without commands that are wanted and end at any time."""

    def __init__(self, config: Lpddr4Config, refresher: type[Refresher], ports):
        self._config, self._refresher = config, refresher
        self._recovery, self._quiet = recovery_cycles(config)
        super().__init__({
            "enable": In(1), "idle": In(BANKS), "parked": In(BANKS), "taken": In(1), "owed": In(8), "served": In(BANKS),
            "target": In(BANKS), "everything": In(1), "state": In(3), "upkeep": In(1), "finished": In(1),
            "closed": In(1),
            "wait": In(range(max(*self._recovery.values(), self._quiet))), **ports,
        })
        self.inside = {name: f"refresher.{name}" for name in ("owed", "served", "target", "everything", "wait")} | {
            "state": "refresher.fsm_state"}

    def _refresher_part(self, m, temperature):
        m.submodules.refresher = refresher = self._refresher(self._config)
        m.d.comb += [
            refresher.enable.eq(self.enable), refresher.temperature.eq(temperature), refresher.idle.eq(self.idle),
            refresher.parked.eq(self.parked), refresher.taken.eq(self.taken), Assume(~self.taken | refresher.ready),
            refresher.upkeep.eq(self.upkeep), refresher.finished.eq(self.finished),
            Assume(~self.finished | refresher.calm), refresher.closed.eq(self.closed), Assume(~self.closed),
        ]
        return refresher


def recovery_cycles(config: Lpddr4Config) -> tuple[dict[bool, int], int]:
    """Cycles from a REF, of one bank or of all, to the next command, and from the end of a calm to it."""
    t = config.timing()
    one, every, calm = (max(config.spacing(clocks), 2) for clocks in (t.RFCPB, t.RFCAB, t.ZQLAT))
    return {False: one, True: every}, calm


class RefreshTurns(_RefreshHarness):
    """Any temperatures; banks and scheduler answer at any time, or never.

    One bank, any, is followed. An all-bank refresh ends a round, as the memory counts rows in rounds: banks that had
    their turn gain nothing by it.
    What the bank is owed, in eighths of a refresh, is what the refresher owes in all, more
    by the turns of others in this round, less by its own. A bank is held when it is refreshed, and for tRFC; no other
    refresh is sent meanwhile. In a calm all banks are held and recovered, and for tZQLAT after it.
    """

    def __init__(self, config: Lpddr4Config, refresher: type[Refresher] = Refresher):
        super().__init__(config, refresher, {"temperature": In(Temperature), "follow": In(range(BANKS))})

    def elaborate(self, platform):
        m = Module()
        refresher = self._refresher_part(m, self.temperature)
        followed, began = Signal(range(BANKS)), Signal()
        m.d.sync += [followed.eq(self.follow), began.eq(1)]
        m.d.comb += Assume(~began | (self.follow == followed))     # a constant

        def of_followed(bits):
            return bits.bit_select(self.follow, 1)

        # The memory's own account
        refreshed, debt, lost = Signal(BANKS), Signal(signed(12)), Signal()
        turn = Mux(refresher.all_banks, ALL, Const(1, BANKS) << refresher.bank)[:BANKS]
        gains = self.taken & of_followed(turn & ~refreshed)
        with m.If(self.taken):
            m.d.comb += Assert(refresher.all_banks | ~(turn & refreshed).any(), "one turn in a round")
            m.d.comb += Assert(~(turn & ~refresher.hold).any(), "refreshed banks are held")
            m.d.sync += refreshed.eq(Mux(refresher.all_banks | ((refreshed | turn) == ALL), 0, refreshed | turn))
        m.d.sync += [debt.eq(debt + refresher.due - Mux(gains, BANKS, 0)),
                     lost.eq(lost | refresher.due & self.owed.all())]
        m.d.comb += Assert(lost | (debt == self.owed + ones(refreshed) - Mux(of_followed(refreshed), BANKS, 0)),
                           "the bank's debt is accounted for")
        m.d.comb += Assert(lost | (debt > -BANKS), "no refresh too early")

        # tRFC
        longest = max(self._recovery.values())
        since, of_all, last = Signal(range(longest + 1), init=longest), Signal(), Signal(BANKS)
        with m.If(self.taken):
            m.d.sync += [since.eq(1), of_all.eq(refresher.all_banks), last.eq(turn)]
        with m.Elif(since < longest):
            m.d.sync += since.eq(since + 1)
        recovery = Mux(of_all, self._recovery[True], self._recovery[False])
        recovering = since < recovery
        with m.If(recovering):
            m.d.comb += [Assert(~self.taken, "one refresh at a time"),
                         Assert(~(last & ~refresher.hold).any(), "held for tRFC"),
                         Assert(~refresher.calm, "no calm before tRFC")]

        # tZQLAT
        after = Signal(range(self._quiet + 1), init=self._quiet)
        with m.If(self.finished):
            m.d.sync += after.eq(1)
        with m.Elif(after < self._quiet):
            m.d.sync += after.eq(after + 1)
        quiet = after < self._quiet
        with m.If(refresher.calm | quiet):
            m.d.comb += Assert((refresher.hold == ALL) & ~refresher.ready, "nothing is sent in a calm")

        m.d.comb += [
            Assert(self.served == refreshed, "turns as thought"), Assert(self.served != ALL, "a round ends"),
            Assert((self.state == RECOVER) | ~(recovering | quiet), "recovers"),
            Assert(~(recovering & quiet), "one after the other"),
            Assert(refresher.hold == self.target, "what is held is the target"),
            Assert((self.state != WATCH) | (refresher.hold == 0), "nothing is held between refreshes"),
            Assert(self.state <= CALM, "a state"), Assert(~refresher.calm | (self.served == 0), "calm ends a round"),
            Assert((self.state != CALM) | refresher.all_banks & of_all & (self.target == ALL) & (last == ALL),
                   "all banks are calm"),
            Assert((self.state != RECOVER) | (self.target == last) & (of_all == refresher.all_banks)
                   & (self.wait == Mux(quiet, self._quiet - after, recovery - since)) & (recovering | quiet & of_all)
                   & (~of_all | (self.served == 0) & (self.target == ALL)), "recovers its target"),
        ]
        with m.If((self.state == CLOSE) | (self.state == REFRESH)):
            m.d.comb += [
                Assert(self.owed >= Mux(refresher.all_banks, BANKS, 1), "something is owed"),
                Assert(Mux(refresher.all_banks, self.target == ALL, (ones(self.target) == 1)
                           & ~(self.target & refreshed).any()), "the target has its turn"),
                Assert((self.state == CLOSE) | refresher.all_banks | (turn == self.target), "of the target"),
            ]
        return m


class DeadlineBounds:
    """How far a refresher may fall behind, its ``parts`` being those of cycles.

    Members
    -------
    eighth, cycle: what falls due is counted in parts: an eighth of the interval at the highest temperature has
        ``eighth`` of them, a cycle ``cycle``.
    rest, first, again: age of what is owed at most when nothing is being done, when the first REF of all banks is
        sent, and when a further one is.
    owed: eighths that a bank is owed at most.
    apart: eighths from one refresh of a bank to its next at most; its row is open for less.
    keeps_up: refreshes of all banks, one after the other, take less than what falls due meanwhile.
    """

    def __init__(self, config: Lpddr4Config):
        recovery, quiet = recovery_cycles(config)
        self.eighth, self.cycle = config.timing().REFI, 4 * BANKS * config.ratio
        one = close_cycles(config) + send_cycles(config) + 2 + recovery[False]
        every = close_cycles(config) + send_all_cycles(config) + 2
        further = send_all_cycles(config) + recovery[True] + 1
        calm = BANKS * self.eighth + (calm_cycles(config) + quiet + 2) * self.cycle
        alone = config.rate >= SLOW_RATE        # banks are refreshed one by one as well
        begin = (URGENT if alone else FORCED) * self.eighth + self.cycle
        self.rest = max(begin, begin - self.eighth + one * self.cycle if alone else 0, calm)
        self.first = self.rest + every * self.cycle
        self.again = self.first + max(further * self.cycle - self.eighth, 0) if alone else self.first
        in_round = BANKS - 1 if alone else 0    # turns of others
        self.owed = max(self.first // self.eighth + in_round, self.again // self.eighth)
        self.apart = self.owed + in_round
        self.keeps_up = further * self.cycle <= BANKS * self.eighth

    @property
    def kept(self) -> bool:
        """The deadline is JEDEC's, nine intervals, and so is that of rows."""
        return self.keeps_up and self.apart <= (POSTPONED + 1) * BANKS


class RefreshDeadline(_RefreshHarness):
    """Any temperatures; a bank is parked at most `close_cycles` after it is held, a REF taken at most `send_cycles`
    after it is ready, one of all banks `send_all_cycles`, and a calm finished after `calm_cycles`. Then what is owed
    never exceeds `DeadlineBounds`.

    The age of what is owed, in parts, grows by no more than a cycle's in a cycle. From `URGENT` on the refresher does
    not rest, and refreshes of all banks follow each other until less than a round is owed.
    """

    def __init__(self, config: Lpddr4Config, refresher: type[Refresher] = Refresher):
        self._bounds = bounds = DeadlineBounds(config)
        super().__init__(config, refresher, {"temperature": In(Temperature), "left": In(range(bounds.eighth))})
        self.inside = {**self.inside, "left": "refresher.left"}

    def elaborate(self, platform):
        m = Module()
        refresher = self._refresher_part(m, self.temperature)
        config, bounds = self._config, self._bounds
        close, send, send_all, calm = (
            count(config) for count in (close_cycles, send_cycles, send_all_cycles, calm_cycles))
        alone = config.rate >= SLOW_RATE

        def cycles_in(state, limit):
            count = Signal(range(limit + 2), name=f"in_state_{state}")
            m.d.sync += count.eq(Mux(self.state == state, Mux(count > limit, count, count + 1), 0))
            return count

        closing, sending, calming = cycles_in(CLOSE, close), cycles_in(REFRESH, send), cycles_in(CALM, calm)
        of_all = refresher.all_banks
        patience = Mux(of_all, send_all, send)
        m.d.comb += [
            Assume((closing < close) | ((self.parked & self.target) == self.target)),
            Assume((sending < patience) | self.taken | (self.state != REFRESH)),
            Assume((calming < calm) | self.finished | (self.state != CALM)),
        ]
        # Whether it is the first refresh of this turn, and whether there was a calm since the last one
        repeated, calmed = Signal(), Signal()
        with m.If(self.taken):
            m.d.sync += [repeated.eq(of_all), calmed.eq(0)]
        with m.Elif(self.finished):
            m.d.sync += calmed.eq(1)
        with m.Elif(self.state == WATCH):
            m.d.sync += repeated.eq(0)

        age = self.owed * bounds.eighth + (bounds.eighth - self.left)
        cycle = bounds.cycle
        recovery = Mux(of_all, self._recovery[True], self._recovery[False])
        passed = Mux(calmed, self._quiet, recovery) - self.wait
        begun = Mux(of_all, bounds.rest, URGENT * bounds.eighth)        # before a turn; of one bank, below `URGENT`
        m.d.comb += [
            Assert(self.owed <= max(bounds.first, bounds.again) // bounds.eighth, "the deadline is kept"),
            Assert(self.left < bounds.eighth, "a part of an eighth"), Assert(self.served != ALL, "some bank is next"),
            Assert(self.state <= CALM, "a state"),
            Assert((self.state == WATCH) | ~of_all | (self.target == ALL), "of all banks"),
            Assert(~repeated | (self.state == WATCH) | of_all & (self.served == 0), "all banks end a round"),
        ]
        if not alone:
            m.d.comb += [Assert(self.served == 0, "always all banks"), Assert(self.everything, "always"),
                         Assert((self.state == WATCH) | of_all, "never one bank")]
        with m.Switch(self.state):
            with m.Case(WATCH):
                m.d.comb += Assert(age <= bounds.rest, "rests when little is owed")
            with m.Case(CLOSE):
                m.d.comb += Assert((closing <= close) & (age <= begun + (closing + 1) * cycle) & ~repeated
                                   & (self.owed >= Mux(of_all, BANKS, 1)), "closes")
            with m.Case(REFRESH):
                m.d.comb += [
                    Assert((sending <= patience) & (self.owed >= Mux(of_all, BANKS, 1)), "sends"),
                    Assert(age <= Mux(repeated, bounds.again - (send_all - sending) * cycle,
                                      begun + (close + 2 + sending) * cycle), "sends in time"),
                ]
            with m.Case(RECOVER):
                m.d.comb += [
                    Assert((self.wait >= 1) & (passed >= 1) & (repeated == of_all), "recovers"),
                    Assert(~calmed | (age <= BANKS * bounds.eighth + (calm + 1 + passed) * cycle), "calmed"),
                    Assert(calmed | (age + (recovery - passed) * cycle <= Mux(
                        of_all, bounds.again - send_all * cycle, bounds.rest)), "takes what it should"),
                ]
            with m.Case(CALM):
                m.d.comb += Assert((calming <= calm) & (age <= BANKS * bounds.eighth + (calming + 1) * cycle)
                                   & of_all & repeated, "calm when little is owed")
        return m
