"""The scheduler with banks of plain Python, which know the rules within a bank and no others."""

import random
from collections import deque
from itertools import pairwise

import pytest
from dojang_hdl.lpddr4.command import Kind
from dojang_hdl.lpddr4.direction import QUIET_CYCLES
from dojang_hdl.lpddr4.initialise import mode_registers
from dojang_hdl.lpddr4.scheduler import Scheduler
from dojang_hdl.lpddr4.timing import BANKS, Lpddr4Config
from dojang_sim.benches.lpddr4_rules import BETWEEN_BANKS, WITHIN_BANK
from dojang_sim.benches.mutation import mutate
from dojang_sim.benches.streams import run
from dojang_sim.lpddr4 import Checker, Command
from dojang_sim.lpddr4.device_rules import DEVICE_RULES
from dojang_sim.lpddr4.devicespec import memspec_of

MUTATIONS = {
    "tCCD short": ("spacing(t.CCD, ", "spacing(t.CCD - 4, "),
    "tCCD long": ("spacing(t.CCD, ", "spacing(t.CCD + 4, "),
    "read to write short": ("BURST + t.RPST - first", "BURST + t.RPST - first - 4"),
    "read to write long": ("BURST + t.RPST - first", "BURST + t.RPST - first + 4"),
    "DQ termination forgotten": ("if config.terminated else", "if False else"),
    "write to read short": ("spacing(t.WL + 1 + BURST", "spacing(t.WL - 3 + BURST"),
    "write to read long": ("spacing(t.WL + 1 + BURST", "spacing(t.WL + 5 + BURST"),
    "tRRD short": ("Cooldown(spacing(t.RRD + 2))", "Cooldown(spacing(t.RRD - 2))"),
    "tRRD long": ("Cooldown(spacing(t.RRD + 2))", "Cooldown(spacing(t.RRD + 10))"),
    "tFAW short": ("Signal(spacing(t.FAW + 2) - 1)", "Signal(spacing(t.FAW - 6) - 1)"),
    "tFAW long": ("Signal(spacing(t.FAW + 2) - 1)", "Signal(spacing(t.FAW + 10) - 1)"),
    "five in the window": ("inside != ACTIVATIONS", "inside != ACTIVATIONS + 1"),
    "refreshes not in the window": ("activating | self.refresh_taken & ~self.refresh_all", "activating"),
    "register read whenever": ("self.register & ~direction.write & read_ready.ready",
                               "self.register & ~direction.write"),
    "register and burst at once": ("chosen[index] & clear & ~self.register_taken", "chosen[index] & clear"),
    "two commands on the bus": ("taken if self._config.ratio == 4 else 0", "0"),
    "refresh last": ("(room | self.refresh_all)", "(room | self.refresh_all) & ~order.request.any()"),
    "always another bank": ("with m.If(~kept):", "with m.If(1):"),
    "always the same bank": ("turn.advance.eq(~kept)", "turn.advance.eq(0)"),
    "bank kept in the wrong direction": ("kept.eq((suited & holder).any())", "kept.eq(holder.any())"),
    "chosen a cycle late": ("suited.eq((soon if", "suited.eq((offers if"),
    "a gap between banks": ("(soon if ccd > 1 else waits)", "soon"),
    "masked write not masked": ("Mux(selected.masked, Kind.MWR, Kind.WR)", "Kind.WR"),
    "wrong row": ("self.row.row.eq(sum_of(order.grant, ",
                  "self.row.row.eq(sum_of(self.banks[0].row_ready.replicate(8), "),
    "refresh of the wrong bank": ("Mux(refreshes, self.refresh_bank, encoded(order.grant))", "encoded(order.grant)"),
    "always one bank": ("self.refresh_taken & self.refresh_all", "0"),
}


class Bench:
    """Every command is judged; with ``prompt`` no burst may come later than the rules allow while all banks have some.

    A bank that could go on keeps the bus, and one that waits has it before another has it twice.

    ``accesses``: by bank, (row, write, masked, bursts). ``offer``: probability that a bank that may have a command
    offers it, a cycle. ``refresh`` and ``register``: that one is begun, of all banks with probability
    ``everything``, or of one that is not among the first ``spared``; none before cycle ``first_refresh``.
    ``pressure``: that writes press.
    ``columns``: (time, command) of bursts; ``refreshes``, ``registers``: how many.
    """

    def __init__(self, scheduler, config, accesses, *, offer=1.0, refresh=0.0, register=0.0, pressure=0.0,
                 everything=0.2, spared=0, first_refresh=0, prompt=False):
        self.config, self.prompt, self.everything, self.spared = config, prompt, everything, spared
        self.offer, self.refresh, self.register, self.pressure = offer, refresh, register, pressure
        self.dut = scheduler(config)
        self.rng = random.Random(5)
        self.columns, self.refreshes, self.registers = [], 0, 0
        self._spec = memspec_of(config, derated=True)
        self._all = Checker(self._spec, DEVICE_RULES)
        for register, operand in mode_registers(config).items():
            self._all.write_mode(register, operand)
        self._within, self._between = Checker(self._spec, WITHIN_BANK), Checker(self._spec, BETWEEN_BANKS)
        self._todo = {bank: deque(map(list, of_bank)) for bank, of_bank in accesses.items()}
        self._rows: list[int | None] = [None] * BANKS
        self._held, self._all_banks = 0, False
        self._recovered = first_refresh         # cycle from which on a refresh may begin
        self._waits_for_register = False
        self._willing = [True] * BANKS          # in the next cycle
        self._since: dict[int, int] = {}        # cycle since which a bank has been ready soon for its present direction
        self._last = None                       # cycle, bank and direction of the last burst
        self._turns: dict[int, int] = {}        # by bank: cycle in which its last turn began, in this direction
        self._sent = ({}, {})                   # column and row command that the outputs must show

    async def bench(self, ctx):
        cycle = 0
        while any(self._todo.values()) or self._held:
            self._outputs(ctx)
            time = cycle * self.config.ratio
            row_time = time + self.config.ratio - 4
            columns, rows = self._offers(ctx, cycle, row_time)
            self._ask_refresh(ctx, cycle, row_time)
            self._waits_for_register |= self.rng.random() < self.register
            ctx.set(self.dut.register, self._waits_for_register)
            ctx.set(self.dut.pressure, self.rng.random() < self.pressure)
            possible = self._possible_rows(row_time, rows)
            column = self._column(ctx, cycle, columns)
            row = self._row(ctx, cycle, row_time, rows)
            assert self.config.ratio == 8 or not (column and row), "two commands in a cycle"
            assert row or not possible or (column and self.config.ratio == 4), f"banks {possible} wait at {row_time}"
            self._sent = column, row
            await ctx.tick()
            cycle += 1

    def _offers(self, ctx, cycle, row_time):
        """Set every bank's offer and return {bank: what} of bursts and {bank: command} of rows."""
        columns, rows = {}, {}
        willing, self._willing = self._willing, [self.rng.random() < self.offer for _ in range(BANKS)]
        for bank, port in enumerate(self.dut.banks):
            todo, held = self._todo.get(bank), self._held >> bank & 1
            column = row = None
            if held and self._rows[bank] is not None:
                row = Command.PREPB
            elif todo and not held:
                if self._rows[bank] is None:
                    row = Command.ACT
                elif self._rows[bank] != todo[0][0]:
                    row = Command.PREPB
                else:
                    _, write, masked, _ = todo[0]
                    column = (Command.MWR if masked else Command.WR) if write else Command.RD
            soon = False
            if column:
                offered = {"burst": self.rng.randrange(64), "slot": self.rng.randrange(512),
                           "wanted": self.rng.randrange(4), "write": todo[0][1], "masked": todo[0][2]}
                ctx.set(port.column, offered)
                wait = -(-(self._within.bound(column, bank)[0] - cycle * self.config.ratio) // self.config.ratio)
                if wait <= 0 and willing[bank]:
                    columns[bank] = column, offered
                soon = wait <= 1 and self._willing[bank]
            if row and willing[bank] and self._within.bound(row, bank)[0] <= row_time:
                rows[bank] = row
            ctx.set(port.column_soon, soon)
            ctx.set(port.last, todo[0][3] == 1 if todo else 0)
            if not soon:
                self._since.pop(bank, None)
            else:
                self._since.setdefault(bank, cycle)
            ctx.set(port.column_ready, bank in columns)
            ctx.set(port.row_ready, bank in rows)
            ctx.set(port.activate, self._rows[bank] is None)
            ctx.set(port.row, todo[0][0] if todo else 0)
        return columns, rows

    def _column(self, ctx, cycle, columns):
        """What is sent to a bank or a register, as the outputs must show it in the next cycle."""
        time = cycle * self.config.ratio
        taken = [bank for bank, port in enumerate(self.dut.banks) if ctx.get(port.column_taken)]
        if ctx.get(self.dut.register_taken):
            assert not taken and self._waits_for_register
            self._waits_for_register = False
            self.registers += 1
            self._issue(time, Command.MRR, 0)
            return {"kind": Kind.MRR, "ma": 4, "burst": 0, "register": 1}
        if not taken:
            return {}
        bank, = taken
        command, offered = columns[bank]
        self._turn(cycle, bank, offered["write"], columns)
        earliest, _ = self._all.bound(command, bank)
        prompt = self.prompt and all(self._todo.values())
        assert not prompt or time < earliest + self.config.ratio, f"{command} at {time}, possible since {earliest}"
        self._issue(time, command, bank)
        self.columns.append((time, command))
        todo = self._todo[bank]
        todo[0][3] -= 1
        if not todo[0][3]:
            todo.popleft()
            self._since.pop(bank, None)
        return {"kind": Kind[command.name], "bank": bank, "burst": offered["burst"], "slot": offered["slot"],
                "wanted": offered["wanted"]}

    def _turn(self, cycle, bank, write, columns):
        """A burst of ``bank`` leaves. Banks are chosen in the cycle before."""
        last, before, direction = self._last or (cycle, bank, not write)
        self._last = cycle, bank, write
        if write != direction:
            self._turns = {bank: cycle}
        elif bank != before:
            # In so few cycles the direction cannot have turned twice.
            assert before not in columns or self._since.get(before, cycle) > last or cycle - last > QUIET_CYCLES, \
                f"bank {bank} at {cycle}, although {before} goes on"
            begun = self._turns.get(bank)
            waited = [other for other, (_, offer) in columns.items() if begun and offer["write"] == write
                      and self._since.get(other, cycle) < begun - 1 and self._turns.get(other, 0) < begun]
            assert not waited, f"bank {bank} at {cycle} once more, banks {waited} wait"
            self._turns[bank] = cycle

    def _row(self, ctx, cycle, time, rows):
        taken = [bank for bank, port in enumerate(self.dut.banks) if ctx.get(port.row_taken)]
        if ctx.get(self.dut.refresh_taken):
            assert not taken
            return self._refreshed(cycle, time)
        if not taken:
            return {}
        bank, = taken
        command = rows[bank]
        assert command is Command.PREPB or not ctx.get(self.dut.refresh), "an activation before a refresh"
        self._issue(time, command, bank)
        activates = command is Command.ACT
        self._rows[bank] = self._todo[bank][0][0] if activates else None
        return {"kind": Kind.ACT if activates else Kind.PRE, "bank": bank, "all_banks": 0,
                **({"row": self._rows[bank]} if activates else {})}

    def _ask_refresh(self, ctx, cycle, time):
        if not self._held and cycle >= self._recovered and self.rng.random() < self.refresh:
            self._all_banks = self.rng.random() < self.everything
            self._held = (1 << BANKS) - 1 if self._all_banks else 1 << self.rng.randrange(self.spared, BANKS)
        command, bank = self._refresh_command()
        earliest, _ = self._within.bound(command, bank)
        ctx.set(self.dut.refresh, bool(self._held) and earliest is not None and earliest <= time)
        ctx.set(self.dut.refresh_bank, bank)
        ctx.set(self.dut.refresh_all, self._all_banks)

    def _refresh_command(self):
        return Command.REFAB if self._all_banks else Command.REFPB, max(self._held.bit_length() - 1, 0)

    def _refreshed(self, cycle, time):
        command, bank = self._refresh_command()
        self._issue(time, command, bank)
        clocks = self._spec.RFCAB if self._all_banks else self._spec.RFCPB
        self._held, self._recovered = 0, cycle + -(-clocks // self.config.ratio)
        self.refreshes += 1
        return {"kind": Kind.REF, "bank": bank, "all_banks": int(self._all_banks)}

    def _issue(self, time, command, bank):
        for checker in (self._within, self._between, self._all):
            verdict = checker.issue(time, command, bank)
            assert verdict.ok, f"{command} of bank {bank} at {time}: {verdict}"

    def _possible_rows(self, time, rows):
        """Banks whose offer must be taken if the bus is free; four clocks are for what may come before and after."""
        return [bank for bank, command in rows.items()
                if self._between.bound(command, bank)[0] + (4 if command is Command.ACT else 0) <= time]

    def _outputs(self, ctx):
        """The commands chosen in the cycle before, and what goes with them."""
        for output, expected in zip((self.dut.column, self.dut.row), self._sent, strict=True):
            found = ctx.get(output)
            assert found.kind.value == expected.get("kind", Kind.NOP).value
            for name in expected.keys() & {"bank", "all_banks", "row", "burst", "ma"}:
                assert getattr(found, name) == expected[name], name
        column, sent = self._sent[0], ctx.get(self.dut.sent)
        kind = column.get("kind")
        assert sent.read == (kind in (Kind.RD, Kind.MRR)) and sent.write == (kind in (Kind.WR, Kind.MWR))
        assert not sent.read or sent.register == column.get("register", 0)
        if "slot" in column:
            assert (sent.slot, sent.wanted) == (column["slot"], column["wanted"])


def random_accesses(rng, count):
    return {bank: [(rng.randrange(3) << 15 | bank, *rng.choice(((0, 0), (0, 0), (1, 0), (1, 1))), rng.choice((1, 2, 5)))
                   for _ in range(count)] for bank in range(BANKS)}


def simulated(scheduler, config, accesses, cycles=5000, **options):
    bench = Bench(scheduler, config, accesses, **options)
    run(bench.dut, bench.bench, cycles=cycles)
    return bench


@pytest.mark.parametrize("rate, ratio, offer", [(533, 4, 1.0), (1600, 4, 0.3), (1600, 8, 1.0), (3200, 8, 0.5),
                                                (4266, 4, 1.0)])
def test_random_offers(rate, ratio, offer):
    accesses = random_accesses(random.Random(rate), 8)
    bench = simulated(Scheduler, Lpddr4Config(rate, ratio=ratio), accesses, offer=offer, refresh=0.04, register=0.02,
                      pressure=0.05)
    assert bench.refreshes and bench.registers


@pytest.mark.parametrize("rate, ratio, write", [(533, 4, 1), (1600, 8, 0), (1600, 8, 1), (4266, 4, 0)])
def test_a_burst_every_tccd(rate, ratio, write, scheduler=Scheduler):
    """Of four banks, all in one direction, once rows are open."""
    accesses = {bank: [(9, write, 0, 14)] for bank in (0, 2, 5, 7)}
    times = [time for time, _ in simulated(scheduler, Lpddr4Config(rate, ratio=ratio), accesses).columns]
    assert times[-1] - times[20] == 8 * (len(times) - 21)


@pytest.mark.parametrize("rate, ratio", [(1600, 4), (3200, 8)])
def test_turns(rate, ratio, scheduler=Scheduler):
    """Reads, writes and pressure are always there: both get their share, and no burst comes later than it may."""
    accesses = {1: [(4, 0, 0, 45)], 6: [(4, 1, 0, 45)]}
    bench = simulated(scheduler, Lpddr4Config(rate, ratio=ratio), accesses, pressure=1.0, prompt=True)
    writes = [command is Command.WR for _, command in bench.columns]
    assert sum(before != after for before, after in pairwise(writes)) >= 3


@pytest.mark.parametrize("first_refresh", [0, 4])
def test_activations_and_refreshes_in_a_window(first_refresh, scheduler=Scheduler):
    """At low rates tFAW is more than four tRRD: eight activations in a row, or four with a refresh before or after."""
    banks = range(4) if first_refresh else range(BANKS)
    bench = simulated(scheduler, Lpddr4Config(533, ratio=8), {bank: [(bank, 0, 0, 2)] for bank in banks},
                      refresh=bool(first_refresh), everything=0, spared=4, first_refresh=first_refresh)
    assert bench.refreshes or not first_refresh


@pytest.mark.parametrize("name", MUTATIONS)
def test_mutation_applies(name):
    """To the scheduler of today; whether it is caught takes seconds each."""
    assert mutate("dojang_hdl.lpddr4.scheduler", *MUTATIONS[name]).Scheduler is not Scheduler


@pytest.mark.slow  # minutes for all
@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_scheduler_is_caught(name):
    broken = mutate("dojang_hdl.lpddr4.scheduler", *MUTATIONS[name]).Scheduler
    with pytest.raises(AssertionError):
        for first_refresh in (0, 4):
            test_activations_and_refreshes_in_a_window(first_refresh, broken)
        for ratio in (4, 8):
            test_a_burst_every_tccd(1600, ratio, 0, broken)
        for rate, ratio in ((1600, 4), (3200, 8)):
            test_turns(rate, ratio, broken)
        simulated(broken, Lpddr4Config(1600), random_accesses(random.Random(3), 6), offer=0.9, refresh=0.5,
                  everything=0.5, register=0.02, pressure=0.05)
