"""A bank machine under a scheduler of plain Python that knows the rules between banks, and no others."""

import random
from collections import deque

import pytest
from dojang_hdl.lpddr4.bank import BankMachine
from dojang_hdl.lpddr4.timing import Lpddr4Config
from dojang_sim.benches.lpddr4_rules import BETWEEN_BANKS, WITHIN_BANK
from dojang_sim.benches.mutation import mutate
from dojang_sim.benches.streams import run
from dojang_sim.lpddr4 import Checker, Command
from dojang_sim.lpddr4.devicespec import memspec_of

BANK = 6

MUTATIONS = {
    "tRCD short": ("rows(t.RCD, ", "rows(t.RCD - 4, "),
    "tRAS short": ("rows(t.RAS + 2)", "rows(t.RAS - 2)"),
    "tRP short": ("(pre, rows(t.RPPB))", "(pre, rows(t.RPPB - 4))"),
    "tRTP short": ("rows(t.RTP + 2, ", "rows(t.RTP - 2, "),
    "tWR short": ("rows(t.WL + 8 + t.WR + 3, ", "rows(t.WL + 8 + t.WR - 1, "),
    "tCCDMW short": ("rows(t.CCDMW, ", "rows(t.CCDMW - 4, "),
    "tRCD long": ("rows(t.RCD, ", "rows(t.RCD + 4, "),
    "tWR after reads": ("(read, rows(t.RTP + 2, ", "(read, rows(t.WL + 8 + t.WR + 3, "),
    "row closed after each access": ("hit.eq(opened & ~port.row_taken & (row == following.row))", "hit.eq(0)"),
    "any open row": ("& (row == following.row))", ")"),
    "row that is being closed": ("hit.eq(opened & ~port.row_taken & ", "hit.eq(opened & "),
    "hold ignored by bursts": ("valid & hit & ~port.hold & ready.column", "valid & hit & ready.column"),
    "hold ignored by activations": ("ready.act & valid & ~port.hold", "ready.act & valid"),
    "not closed for a hold": ("ready.pre & (port.hold | valid & ~hit)", "ready.pre & (valid & ~hit)"),
    "promised too early": ("soon.column & (~head.masked | soon.masked)", "(~head.masked | soon.masked)"),
    "masked write promised too early": ("soon.column & (~head.masked | soon.masked)", "soon.column"),
    "promised while held": ("valid & hit & ~port.hold & soon.column", "valid & hit & soon.column"),
    "not promised": ("port.column_soon.eq(valid &", "port.column_soon.eq(~valid &"),
    "parked too early": ("port.parked.eq(~opened & ready.act)", "port.parked.eq(~opened)"),
    "idle with a burst left": ("port.idle.eq(~valid & ~queue.r_rdy)", "port.idle.eq(~queue.r_rdy)"),
    "slot stays": ("head.slot.eq(head.slot + 1)", "head.slot.eq(head.slot)"),
    "every first word left out": ("Cat(first & head.skip_first, ", "Cat(head.skip_first, "),
    "every last word left out": ("last & head.skip_last", "head.skip_last"),
}


def random_accesses(rng, count):
    accesses = []
    for _ in range(count):
        bursts, write = rng.choice((1, 1, 2, 3, 9)), rng.randrange(2)
        skips = rng.choice((0, 1, 2, 3) if bursts > 1 else (0, 1, 2))
        accesses.append({
            "row": rng.choice((5, 5, 1 << 16 | 5, 0)), "burst": rng.randrange(65 - bursts), "bursts": bursts,
            "slot": rng.randrange(512), "skip_first": skips & 1, "skip_last": skips >> 1, "write": write,
            "masked": write & rng.randrange(2)})
    return accesses


class Bench:
    """Every command is judged; a row is closed for a refresh or for an access to another one, and for nothing else.

    ``take``: probability that an offer is taken in a cycle. ``offer``: that the next access comes. ``hold``: that a
    refresh is begun, ten times that if the bank is idle. ``prompt``: there is always an access and all is taken; no
    command may come late then.
    """

    def __init__(self, machine, config, accesses, *, take=1.0, offer=1.0, hold=0.0, seed=1):
        self.config, self.take, self.offer, self.hold = config, take, offer, hold
        self.dut = machine(config)
        self.rng = random.Random(seed)
        self.bursts = [(access["row"], access["burst"] + index, (access["slot"] + index) % 512,
                        3 & ~(access["skip_first"] * (index == 0)) & ~(access["skip_last"] * (index == last) * 2),
                        access["write"], access["masked"])
                       for access in accesses for last in (access["bursts"] - 1,) for index in range(last + 1)]
        self.refreshes = 0
        self.prompt = take == offer == 1 and not hold
        self._accesses = accesses
        spec = memspec_of(config, derated=True)
        self._within, self._between, self._all = Checker(spec, WITHIN_BANK), Checker(spec, BETWEEN_BANKS), Checker(spec)
        self._row = None
        self._release = None        # cycle
        self._soon = False          # a burst was promised in the cycle before

    async def bench(self, ctx):
        dut, port, rng = self.dut, self.dut.port, self.rng
        todo, expected, accepted = deque(self._accesses), deque(self.bursts), deque()
        offered = False
        cycle = 0
        while expected:
            assert ctx.get(port.idle) == (not accepted)
            offered = bool(todo) and (offered or rng.random() < self.offer)
            ctx.set(dut.access.valid, offered)
            if offered:
                ctx.set(dut.access.payload, todo[0])
            self._hold(ctx, cycle)
            held, soon, ready = ctx.get(port.hold), ctx.get(port.column_soon), ctx.get(port.column_ready)
            assert ready or held or not self._soon, "promised and not kept"
            assert soon or not ready, "offered and not promised"
            column, row = self._column(ctx, cycle), self._row_command(ctx, cycle)
            assert not (soon and held), "promised while held"
            ctx.set(port.column_taken, column is not None)
            ctx.set(port.row_taken, row is not None)
            self._soon = soon and column is None and row is None
            if column:
                found = ctx.get(port.column)
                assert self._row is not None, "no row is open"
                assert (self._row, found.burst, found.slot, found.wanted, found.write,
                        found.masked) == expected.popleft()
                self._issue(cycle, 0, column)
                accepted[0] -= 1
                if not accepted[0]:
                    accepted.popleft()
            if row:
                assert row is Command.ACT or ctx.get(port.hold) or expected[0][0] != self._row
                self._row = ctx.get(port.row) if row is Command.ACT else None
                self._issue(cycle, self.config.ratio - 4, row)
            if offered and ctx.get(dut.access.ready):
                accepted.append(todo.popleft()["bursts"])
                offered = False
            await ctx.tick()
            cycle += 1

    def _column(self, ctx, cycle):
        port = self.dut.port
        if not ctx.get(port.column_ready) or self.rng.random() >= self.take:
            return None
        column = ctx.get(port.column)
        command = (Command.MWR if column.masked else Command.WR) if column.write else Command.RD
        return command if self._between.bound(command, BANK)[0] <= cycle * self.config.ratio else None

    def _row_command(self, ctx, cycle):
        port = self.dut.port
        if not ctx.get(port.row_ready) or self.rng.random() >= self.take:
            return None
        command = Command.ACT if ctx.get(port.activate) else Command.PREPB
        time = (cycle + 1) * self.config.ratio - 4
        return command if self._between.bound(command, BANK)[0] <= time else None

    def _issue(self, cycle, phase, command):
        time = cycle * self.config.ratio + phase
        earliest, _ = self._all.bound(command, BANK)
        # ACT waits for the later of what it and a refresh must.
        slack = self.config.ratio + (2 if command is Command.ACT else 0)
        prompt = self.prompt and earliest > 0       # the first command waits for the first access
        assert not prompt or time < earliest + slack, f"{command} at {time}, possible since {earliest}"
        for checker in (self._within, self._between, self._all):
            verdict = checker.issue(time, command, BANK)
            assert verdict.ok, f"{command} at {time}: {verdict}"

    def _hold(self, ctx, cycle):
        port, ratio = self.dut.port, self.config.ratio
        held = ctx.get(port.hold)
        if not held and self.rng.random() < self.hold * (10 if ctx.get(port.idle) else 1):
            ctx.set(port.hold, 1)
        elif held and self._release is None:
            if ctx.get(port.parked):
                assert self._row is None
                self._issue(cycle, ratio - 4, Command.REFPB)
                self.refreshes += 1
                self._release = cycle + -(-memspec_of(self.config, derated=True).RFCPB // ratio)
        elif self._release == cycle:
            ctx.set(port.hold, 0)
            self._release = None
        if ctx.get(port.hold):
            assert not ctx.get(port.column_ready) and not (ctx.get(port.row_ready) and ctx.get(port.activate))
            assert self._release is None or not ctx.get(port.row_ready)


def check(machine, config, count=40, **options):
    bench = Bench(machine, config, random_accesses(random.Random(count), count), **options)
    run(bench.dut, bench.bench, cycles=200 * count)
    return bench


@pytest.mark.parametrize("rate, ratio", [(533, 4), (1600, 4), (1600, 8), (4266, 8)])
@pytest.mark.parametrize("options", [{}, {"offer": 0.05}, {"take": 0.4}, {"take": 0.5, "offer": 0.2, "hold": 0.02}])
def test_random_accesses(rate, ratio, options):
    bench = check(BankMachine, Lpddr4Config(rate, ratio=ratio), **options)
    assert bool(bench.refreshes) == ("hold" in options)


def test_an_access_arrives_as_its_row_is_closed(machine=BankMachine):
    """A refresh begins at cycle 40 of each turn, while the row is open and nothing is queued; the access comes then."""
    dut = machine(Lpddr4Config(533))
    port = dut.port
    arrivals = range(36, 46)

    async def bench(ctx):
        opened, bursts = False, 0
        ctx.set(dut.access.payload, {"row": 5, "bursts": 1})
        for arrival in arrivals:
            for cycle in range(80):
                ctx.set(dut.access.valid, cycle in (0, arrival))
                ctx.set(port.hold, 40 <= cycle < 60)
                column, row = ctx.get(port.column_ready), ctx.get(port.row_ready)
                assert opened or not column, f"a burst without a row; the access came in cycle {arrival}"
                ctx.set(port.column_taken, column)
                ctx.set(port.row_taken, row)
                opened, bursts = opened ^ row, bursts + column
                await ctx.tick()
        assert bursts == 2 * len(arrivals)

    run(dut, bench, cycles=1000)


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_bank_machine_is_caught(name):
    broken = mutate("dojang_hdl.lpddr4.bank", *MUTATIONS[name]).BankMachine
    with pytest.raises(AssertionError):
        check(broken, Lpddr4Config(1600), 30)
        check(broken, Lpddr4Config(1600), 20, offer=0.1, hold=0.02)
        test_an_access_arrives_as_its_row_is_closed(broken)
