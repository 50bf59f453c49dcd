"""The traffic harness on a memory whose behaviour is known: what it counts, and that it finds every kind of fault."""

import re
from enum import IntEnum
from pathlib import Path

import pytest
from amaranth.hdl import Instance, Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from dojang_hdl.lpddr4.timing import Lpddr4Config
from dojang_hdl.memory import MemoryPort
from dojang_sim.lpddr4.traffic import (
    PATTERNS,
    RANDOM_PHASES,
    Operation,
    Order,
    Poke,
    Prepared,
    Stream,
    TrafficError,
    build_traffic,
    run_traffic,
)
from dojang_sim.memory import SOURCES, IdealMemory

WORDS = 1 << 20
LAST_READ = 200 * 128
"""Index of the last word of 200 long reads after the one word before all else."""


class Fault(IntEnum):
    """What happens at the n-th event: a word read, a word written, a command."""

    NONE = 0
    FLIP = 1            # a bit of the word read
    LOSE = 2            # the word read does not come
    REPEAT = 3          # it comes twice
    SWAP = 4            # it comes after the next one
    NO_MASK = 5         # of it and all later words all bytes are written
    NO_WRITE = 6        # none is
    WRONG_ADDRESS = 7   # the command is for another row
    HANG = 8            # no command is taken any more


class FaultyMemory(wiring.Component):
    """An ideal memory with one fault, chosen when the simulation starts; it counts the commands."""

    port: In(MemoryPort())
    events: Out(data.StructLayout({"commands": 1}))

    def elaborate(self, platform):
        m = Module()
        m.submodules.inner = inner = IdealMemory(0, WORDS)
        outside, inside = self.port, inner.port
        fault, at = Signal(4), Signal(32)
        m.submodules.select = Instance("fault_select", o_fault=fault, o_at=at)
        commands, writes, reads = Signal(32), Signal(32), Signal(32)
        for stream, count in (inside.command, commands), (inside.write, writes), (outside.read, reads):
            with m.If(stream.valid & stream.ready):
                m.d.sync += count.eq(count + 1)
        wiring.connect(m, wiring.flipped(outside), inside)
        m.d.comb += self.events.commands.eq(inside.command.valid & inside.command.ready)

        held, full, done = Signal(128), Signal(), Signal()
        with m.Switch(fault):
            with m.Case(Fault.FLIP):
                m.d.comb += outside.read.payload.eq(inside.read.payload ^ ((reads == at) << 77))
            with m.Case(Fault.LOSE):
                with m.If((reads == at) & ~done):
                    m.d.comb += [outside.read.valid.eq(0), inside.read.ready.eq(1)]
                    m.d.sync += done.eq(inside.read.valid)
            with m.Case(Fault.REPEAT):
                with m.If((reads == at) & ~done):
                    m.d.comb += inside.read.ready.eq(0)
                    m.d.sync += done.eq(outside.read.valid & outside.read.ready)
            with m.Case(Fault.SWAP):
                with m.If((reads == at) & ~full):
                    m.d.comb += [outside.read.valid.eq(0), inside.read.ready.eq(1)]
                    m.d.sync += [held.eq(inside.read.payload), full.eq(inside.read.valid)]
                with m.Elif(reads == at + 1):
                    m.d.comb += [outside.read.valid.eq(1), outside.read.payload.eq(held), inside.read.ready.eq(0)]
            with m.Case(Fault.NO_MASK):
                with m.If(writes >= at):
                    m.d.comb += inside.write.payload.mask.eq(0xFFFF)
            with m.Case(Fault.NO_WRITE):
                with m.If(writes == at):
                    m.d.comb += inside.write.payload.mask.eq(0)
            with m.Case(Fault.WRONG_ADDRESS):
                with m.If(commands == at):
                    m.d.comb += inside.command.payload.addr.eq(outside.command.payload.addr ^ 1 << 10)
            with m.Case(Fault.HANG):
                with m.If(commands >= at):
                    m.d.comb += [inside.command.valid.eq(0), outside.command.ready.eq(0)]
        return m


@pytest.fixture(scope="module")
def harness():
    return build_traffic(FaultyMemory(), (*SOURCES, Path(__file__).with_name("fault_select.v")))


def run(harness, pattern, fault=Fault.NONE, at=0, commands=200, **options):
    return run_traffic(harness, pattern, words=WORDS, commands=commands,
                       plusargs=(f"fault={int(fault)}", f"at={at}"), timeout_s=60, **options)


@pytest.mark.parametrize("name", PATTERNS)
def test_ideal_memory_reaches_the_peak(harness, name):
    result = run(harness, PATTERNS[name], commands=4000, warmup=100)
    # A write is taken at once, a read comes back later: at the ends of the window a few words differ.
    assert abs(result.words_read + result.words_written - result.cycles) <= 4
    assert result.percent_of_peak(Lpddr4Config(ratio=4)) == pytest.approx(100, abs=0.02)
    assert result.percent_of_peak(Lpddr4Config(ratio=8)) == pytest.approx(50, abs=0.01)
    streams = PATTERNS[name].streams
    share = sum(stream.share for stream in streams if stream.operation is Operation.WRITE)
    moved = PATTERNS[name].commands(2 ** 20)
    assert moved * result.cycles * 16 == pytest.approx(4000 * 2 ** 20, rel=0.01)
    assert 100 * result.words_written / result.cycles == pytest.approx(share, abs=0.5)


def test_window_and_counters(harness):
    """Of commands of 8 words, 50 come before the window: the figures are those of the other 100."""
    result = run(harness, PATTERNS["chunks-128"], commands=100, warmup=50)
    assert (result.commands, result.startup_cycles, result.all_words_read) == (100, 32 + 1, 1 + 150 * 8)
    assert result.counters == {"commands": 100 - 1}     # from the first of them to the last
    assert abs(result.cycles - 100 * 8) <= 8


def test_stalls_are_right_and_slow(harness):
    result = run(harness, PATTERNS["writes-512"], stall=0.5)
    assert result.percent_of_peak(Lpddr4Config()) < 60


def test_random_phases(harness):
    results = [run(harness, RANDOM_PHASES, commands=20_000, seed=seed) for seed in (1, 1, 2)]
    assert results[0] == results[1] != results[2]
    assert min(results[0].words_read, results[0].words_written) > 100_000


@pytest.mark.parametrize("fault, at, message", [
    (Fault.FLIP, 777, r"cycle \d+: read word 777 is \w{32}, expected \w{32} of address 0x308: 1 bits differ"),
    (Fault.LOSE, 777, "read word 777 .* address 0x308: it is due 1 words later, so words are lost or reordered"),
    (Fault.SWAP, 777, "read word 777 .* it is due 1 words later, so words are lost or reordered"),
    (Fault.REPEAT, 777, "read word 778 .* the word before came again"),
    (Fault.REPEAT, LAST_READ, f"read word {LAST_READ + 1} is .*, but no more was asked for"),
    (Fault.LOSE, LAST_READ, "nothing moved for 20001 cycles .* 201 of 201 commands were taken, 1 words to be read"),
    (Fault.WRONG_ADDRESS, 7, r"read word 769 .* of address 0x300: it is due 1024 words later"),
    (Fault.HANG, 150, "nothing moved for 20001 cycles .* 150 of 201 commands were taken"),
])
def test_faults_of_reads(harness, fault, at, message):
    with pytest.raises(TrafficError) as error:
        run(harness, PATTERNS["sequential"], fault, at)
    assert re.search(f"^sequential reads: .*{message}", str(error.value))


def test_wrong_words_are_counted(harness):
    assert run(harness, PATTERNS["sequential"], Fault.FLIP, 777, count_wrong=True).wrong_words == 1
    swapped = run(harness, PATTERNS["sequential"], Fault.SWAP, 777, count_wrong=True)
    assert (swapped.wrong_words, swapped.all_words_read) == (2, 1 + 200 * 128)
    with pytest.raises(TrafficError, match="no more was asked for"):
        run(harness, PATTERNS["sequential"], Fault.REPEAT, LAST_READ, count_wrong=True)


def test_prepared_contents(harness, tmp_path):
    """Words are those of the file; a word written besides them is not expected, and in the image only."""
    prepared = Prepared(tmp_path / "image", tmp_path / "contents")
    for path in (prepared.image, prepared.contents):
        path.write_bytes(b"Dojang, seventeen" * (WORDS * 16 // 17) + bytes(WORDS * 16 % 17))
    word = 0x0123456789ABCDEF_FEDCBA9876543210
    result = run(harness, PATTERNS["writes-512"], prepared=prepared, pokes=[Poke(3, WORDS - 1, word)])
    assert result.wrong_words == 0 and result.words_written > 0
    image, contents = prepared.image.read_bytes(), prepared.contents.read_bytes()
    assert image[-16:] == word.to_bytes(16, "little") and image[:-16] == contents[:-16]
    with pytest.raises(TrafficError, match="address 0x308: 1 bits differ"):
        run(harness, PATTERNS["sequential"], Fault.FLIP, 777, prepared=prepared)


def test_reset_in_the_midst(harness):
    """What was on its way is lost; what was written before may be there or not, whole words of it."""
    result = run(harness, RANDOM_PHASES, commands=3000, seed=2, reset=20_000)
    assert result.all_counters["commands"] > result.commands
    with pytest.raises(TrafficError, match="bits differ"):
        run(harness, RANDOM_PHASES, Fault.NO_MASK, 500, commands=3000, seed=2, reset=20_000)


@pytest.mark.parametrize("fault, at", [(Fault.NO_MASK, 5000), (Fault.NO_WRITE, 5000), (Fault.WRONG_ADDRESS, 1000)])
def test_faults_of_writes_are_read_back(harness, fault, at):
    with pytest.raises(TrafficError, match=r"random phases: cycle \d+: read word .* bits differ"):
        run(harness, RANDOM_PHASES, fault, at, commands=30_000, seed=3)


@pytest.mark.parametrize("fault", [Fault.NO_WRITE, Fault.WRONG_ADDRESS])
def test_faults_of_the_last_writes_are_in_the_image(harness, fault):
    with pytest.raises(TrafficError, match=r"the image does not hold what was written to address 0x[0-9a-f]+$"):
        run(harness, PATTERNS["writes"], fault, 200)


def test_a_model_that_stops_is_reported(harness):
    with pytest.raises(TrafficError, match=f"has {WORDS * 8} bytes, expected {WORDS * 16}"):
        run_traffic(harness, PATTERNS["sequential"], words=WORDS // 2, commands=10)


def test_time_limit(harness):
    with pytest.raises(TrafficError, match=r"random phases: not finished after 0.5 s"):
        run_traffic(harness, RANDOM_PHASES, words=WORDS, commands=10 ** 8, timeout_s=0.5)


def test_streams_are_commands_of_the_port():
    with pytest.raises(ValueError, match="commands of 96 bytes for chunks of 128, expected"):
        Stream(Operation.READ, Order.RANDOM, 96, 128)
    with pytest.raises(ValueError, match="commands of 8192 bytes"):
        Stream(Operation.READ, Order.RANDOM, 8192, 8192)
