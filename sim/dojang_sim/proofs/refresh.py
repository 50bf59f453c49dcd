"""The refresher gives every bank its turn, and keeps JEDEC's deadline if banks close in bounded time."""

from amaranth.hdl import Assert, Assume, Const, Module, Mux, Signal, signed
from amaranth.lib.wiring import In
from dojang_hdl.lpddr4.refresh import URGENT, Refresher, Temperature
from dojang_hdl.lpddr4.timing import BANKS, Lpddr4Config

from .progress import close_cycles, send_cycles
from .prove import Harness
from .rules import ones

__all__ = ["POSTPONED", "DeadlineBounds", "RefreshDeadline", "RefreshTurns"]

POSTPONED = 8
"""Refreshes of a bank that JEDEC lets postpone."""

ALL = Const(2 ** BANKS - 1, BANKS)

WATCH, CLOSE, REFRESH, RECOVER = range(4)     # of the refresher, in the order of its source


class _RefreshHarness(Harness):
    """A refresher with free banks and a free scheduler."""

    def __init__(self, config: Lpddr4Config, refresher: type[Refresher], ports):
        self._config, self._refresher = config, refresher
        self._recovery = {False: config.spacing(config.timing().RFCPB), True: config.spacing(config.timing().RFCAB)}
        super().__init__({
            "enable": In(1), "idle": In(BANKS), "parked": In(BANKS), "taken": In(1), "owed": In(8), "served": In(BANKS),
            "target": In(BANKS), "everything": In(1), "state": In(2),
            "wait": In(range(max(self._recovery.values()) + 1)), **ports,
        })
        self.inside = {name: f"refresher.{name}" for name in ("owed", "served", "target", "everything", "wait")} | {
            "state": "refresher.fsm_state"}

    def _refresher_part(self, m, temperature):
        m.submodules.refresher = refresher = self._refresher(self._config)
        m.d.comb += [
            refresher.enable.eq(self.enable), refresher.temperature.eq(temperature), refresher.idle.eq(self.idle),
            refresher.parked.eq(self.parked), refresher.taken.eq(self.taken), Assume(~self.taken | refresher.ready),
        ]
        return refresher


class RefreshTurns(_RefreshHarness):
    """Any temperatures; banks and scheduler answer at any time, or never.

    One bank, any, is followed. An all-bank refresh ends a round, as the memory counts rows in rounds: banks that had
    their turn gain nothing by it.
    What the bank is owed, in eighths of a refresh, is what the refresher owes in all, more
    by the turns of others in this round, less by its own. A bank is held when it is refreshed, and for tRFC; no other
    refresh is sent meanwhile.
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
                         Assert(~(last & ~refresher.hold).any(), "held for tRFC")]

        m.d.comb += [
            Assert(self.served == refreshed, "turns as thought"), Assert(self.served != ALL, "a round ends"),
            Assert(recovering == (self.state == RECOVER), "recovers for tRFC"),
            Assert((self.state != WATCH) | (refresher.hold == 0), "nothing is held between refreshes"),
            Assert((self.state != RECOVER) | (self.wait == recovery - since) & (self.target == last),
                   "recovers its target"),
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
    """How far a refresher may fall behind.

    Members
    -------
    interval: cycles between two eighths that fall due, at the highest temperature.
    rest, round: cycles' worth that is owed at most before a turn, and before the first one of a round.
    owed: eighths that are owed at most.
    slack: cycles left of eight intervals when a turn of all banks has taken its longest; less than 0: no proof.
    """

    def __init__(self, config: Lpddr4Config):
        t = config.timing()
        answer = close_cycles(config) + send_cycles(config)
        one, every = (answer + 2 + config.spacing(recovery) for recovery in (t.RFCPB, t.RFCAB))
        self.interval = t.REFI // (4 * BANKS * config.ratio)
        self.rest = URGENT * self.interval + max(one - self.interval, 0)
        self.round = self.rest + max(every - self.interval, 0)
        self.owed = (self.round + answer + 3) // self.interval
        self.slack = BANKS * self.interval - every


class RefreshDeadline(_RefreshHarness):
    """Any temperatures; a bank is parked at most `close_cycles` after it is held, and a REF taken at most `send_cycles`
    after it is ready. Then no more than `DeadlineBounds.owed` eighths are ever owed in all.

    The age of what is owed, in cycles of the shortest interval, grows by no more than one a cycle. From `URGENT` on
    the refresher does not rest, and a turn takes eight intervals from it, or, once, ends the round.
    """

    def __init__(self, config: Lpddr4Config, refresher: type[Refresher] = Refresher):
        self._bounds = bounds = DeadlineBounds(config)
        self._close, self._send = close_cycles(config), send_cycles(config)
        self._interval, self._rest, self._round = bounds.interval, bounds.rest, bounds.round
        super().__init__(config, refresher, {"temperature": In(Temperature), "cycles": In(range(self._interval))})
        self.inside = {**self.inside, "cycles": "refresher.cycles"}

    def elaborate(self, platform):
        m = Module()
        refresher = self._refresher_part(m, self.temperature)

        def cycles_in(state, limit):
            count = Signal(range(limit + 2), name=f"in_state_{state}")
            m.d.sync += count.eq(Mux(self.state == state, Mux(count > limit, count, count + 1), 0))
            return count

        closing, sending = cycles_in(CLOSE, self._close), cycles_in(REFRESH, self._send)
        m.d.comb += [
            Assume((closing < self._close) | ((self.parked & self.target) == self.target)),
            Assume((sending < self._send) | self.taken | (self.state != REFRESH)),
        ]
        spent = Signal(range(self._close + self._send + self._recovery[True] + 4))      # in this turn
        m.d.sync += spent.eq(Mux(self.state == WATCH, 1, spent + 1))
        age = self.owed * self._interval + self.cycles
        of_all = refresher.all_banks
        share = Mux(of_all, ones(~self.served), 1)
        # Before a turn; of one bank only when less than URGENT is owed.
        begun = Mux(of_all, Mux(self.served == 0, self._round, self._rest), URGENT * self._interval)
        # After it: to have taken less than eight intervals, it must have ended a round.
        left = Mux(of_all, self._round, self._rest)
        recovery = Mux(of_all, self._recovery[True], self._recovery[False])
        m.d.comb += [
            Assert(self.owed <= self._bounds.owed, "the deadline is kept"),
            Assert(self.cycles < self._interval, "a part of an interval"),
            Assert(self.served != ALL, "some bank is next"),
            Assert((self.state == WATCH) | ~of_all | (self.target == ALL), "of all banks"),
        ]
        with m.Switch(self.state):
            with m.Case(WATCH):
                m.d.comb += Assert(age <= Mux(self.served == 0, self._round, self._rest), "rests when little is owed")
            with m.Case(CLOSE):
                m.d.comb += Assert((closing <= self._close) & (spent == closing + 1) & (age <= begun + spent)
                                   & (self.owed >= share), "closes")
            with m.Case(REFRESH):
                m.d.comb += Assert((sending <= self._send) & (spent <= self._close + 2 + sending)
                                   & (age <= begun + spent) & (self.owed >= share), "sends")
            with m.Case(RECOVER):
                total = self._close + self._send + recovery + 2
                m.d.comb += [
                    Assert((self.wait >= 1) & (self.wait < recovery) & (spent + self.wait <= total), "recovers"),
                    Assert(age + total <= left + spent, "takes what it should"),
                    Assert(~of_all | (self.served == 0), "all banks end a round"),
                ]
        return m
