"""Checked blocks against the packer's headers, with wrong bits everywhere."""

import random
import zlib

import numpy as np
import pytest
from amaranth.hdl import ResetInserter, Signal
from dojang.compile.protection import Protection, check_bits
from dojang_hdl.guard.checker import Checker, Header
from dojang_hdl.guard.jobs import Purpose
from dojang_hdl.guard.layout import CLUSTER, COLUMNS, HEADER
from dojang_sim.benches.mutation import mutate
from dojang_sim.benches.streams import run, send

TILE, TILES = 16, 2
PROTECTION = Protection(TILES * TILE, TILES * TILE + 4 * CLUSTER, TILE)
FIELDS = {name: sum(width for _, width in HEADER[:index]) for index, (name, _) in enumerate(HEADER)}
"""First bit of each field of a header."""
READ, VERIFY = Purpose.READ.value, Purpose.VERIFY.value

MUTATIONS = {
    "word not corrected": ("found.word.eq(corrected(syndrome_of.word, syndrome))", "found.word.eq(syndrome_of.word)"),
    "two wrong bits overlooked": ("bad.eq(two | bad & ~found.start)", "bad.eq(bad & ~found.start)"),
    "bad for ever": ("bad.eq(two | bad & ~found.start)", "bad.eq(two | bad)"),
    "CRC overlooked": ("(crc.crc[0] ^ judged.addr == expected)", "1"),
    "address overlooked": ("crc.crc[0] ^ judged.addr == expected", "crc.crc[0] == expected"),
    "verified with any CRC": ("& ((judged.purpose != Purpose.VERIFY) | (expected == self.verify_crc))", ""),
    "words of tiles corrected": ("~block.tile & ~block.raw", "~block.raw"),
    "raw words corrected": ("~block.tile & ~block.raw", "~block.tile"),
    "header not corrected": ("protected.eq((is_header | ", "protected.eq(("),
    "all words wanted": ("& (index >= block.skip)", ""),
    "one CRC for both": ("crc.message.eq(found.seal)", "crc.message.eq(0)"),
    "read while it seals": ("self.block.valid & ~sealer.en", "self.block.valid"),
    "sealed words corrected": (" & ~sealer.en),", "),"),
    "CRC of a cluster not begun anew": ("Mux(sealer.en, seals == 0, ", "Mux(sealer.en, 0, "),
    "CRC of seven words": ("seals == CLUSTER - 1", "seals == CLUSTER - 2"),
}


def bits(array):
    return [int.from_bytes(word.tobytes(), "little") for word in array.reshape(-1, 16)]


def contents(seed):
    """Logical words as integers, and the physical ones by address."""
    words = np.random.default_rng(seed).integers(0, 256, PROTECTION.end * 16, dtype=np.uint8)
    memory = np.zeros(PROTECTION.physical_words * 16, np.uint8)
    PROTECTION.store(memory, words, [(0, TILE), (TILE, 11)])
    return bits(words), bits(memory)


class Bench:
    """Blocks one after the other, each followed by the next without a gap unless there are ``stalls``.

    A block is (its fields, its words as they come, what is said of it: words, good, fixed, corrected words).
    """

    def __init__(self, checker, blocks, stall=0.0):
        self.dut, self.blocks, self.stall = checker(), blocks, stall
        self.sealed = 0

    async def seal(self, ctx):
        """Clusters in between, now and then; none of them is a block's."""
        sealer, rng = self.dut.sealer, random.Random(4)
        due, cycle, words, wait = {}, 0, [], 0
        while True:
            if not words and not wait:
                words = [rng.getrandbits(128) for _ in range(CLUSTER)]
                crc = zlib.crc32(b"".join(word.to_bytes(16, "little") for word in words))
            enable = bool(words) and rng.random() < 0.8
            ctx.set(sealer.en, enable)
            ctx.set(sealer.word, 0)
            if enable:
                word = words.pop(0)
                if not words:
                    due["crc", cycle + 4] = crc
                ctx.set(sealer.word, word)
                due["check", cycle + 2] = int(check_bits(np.frombuffer(word.to_bytes(16, "little"), np.uint8)))
                wait = 0 if words else rng.randrange(10, 60)
            for name in ("check", "crc"):
                expected = due.pop((name, cycle), None)
                assert ctx.get(getattr(sealer, f"{name}_en")) == (expected is not None)
                if expected is not None:
                    assert ctx.get(getattr(sealer, name)) == expected
                    self.sealed += name == "crc"
            await ctx.tick()
            wait = max(wait - 1, 0)
            cycle += 1

    async def fields(self, ctx):
        await send(ctx, self.dut.block, [said(fields) for fields, *_ in self.blocks], random.Random(2), self.stall)

    async def words(self, ctx):
        await send(ctx, self.dut.i, [word for _, words, *_ in self.blocks for word in words], random.Random(3),
                   self.stall)

    async def verdicts(self, ctx):
        dut, words, corrections, marked = self.dut, [], 0, []
        cycle = done = 0
        while done < len(self.blocks):
            fields, _, wanted, good, fixed, corrected = self.blocks[done]
            verified = [one[0]["crc"] for one in self.blocks[done:] if one[0].get("purpose") == VERIFY]
            ctx.set(dut.verify_crc, verified[0] if verified else 0)
            if ctx.get(dut.judged):
                verdict = ctx.get(dut.verdict)
                assert marked.pop(0) == cycle - 2
                assert verdict.good == good, fields
                assert verdict.block.addr == fields["addr"]
                if good:
                    assert words[:len(wanted)] == wanted
                    assert verdict.fixed == fixed
                if corrected is not None:
                    assert corrections >= corrected
                del words[:len(wanted)]
                done += 1
            if ctx.get(dut.en):
                words.append(ctx.get(dut.word))
            if ctx.get(dut.mark):
                marked.append(cycle)
            corrections += ctx.get(dut.corrected)
            await ctx.tick()
            cycle += 1
        exact = [corrected for *_, corrected in self.blocks]
        assert None in exact or corrections == sum(exact)
        assert not words and not marked


def said(fields):
    """Of a block; its CRC is said apart."""
    return {name: value for name, value in fields.items() if name != "crc"}


def block(rng, logical, memory, *, tile=None, purpose=READ, first=None):
    """A right block: [fields, words, wanted words, good, fixed, words corrected]."""
    tile = rng.random() < 0.3 if tile is None else tile
    if tile:
        first, words = rng.choice(((0, TILE), (TILE, 11))) if first is None else (first, TILE)
    else:
        first, words = PROTECTION.tiles_end + CLUSTER * rng.randrange(4) if first is None else first, CLUSTER
    skip = rng.randrange(words)
    until = rng.randint(skip + 1, words)
    at = int(PROTECTION.physical(first)) - 1
    fields = {"purpose": purpose, "tile": int(tile), "addr": first, "skip": skip, "until": until, "words": words,
              "crc": memory[at] >> FIELDS["crc"] & 0xFFFFFFFF}
    return [fields, memory[at:at + words + 1], logical[first + skip:first + until], 1, 0, 0]


def raw_block(rng, memory):
    words = rng.randint(1, TILE)
    at = rng.randrange(len(memory) - words)
    return [{"raw": 1, "addr": at, "until": words, "words": words, "tile": rng.randrange(2)}, memory[at:at + words],
            memory[at:at + words], 1, 0, 0]


def flips(rng):
    """(what, word of the block, mask): every place of a single wrong bit in a cluster, that is one that matters."""
    for bit in rng.sample(range(128), 12):
        yield 1 + rng.randrange(CLUSTER), 1 << bit
    for name, width in HEADER:
        if name != "pad":
            yield 0, 1 << FIELDS[name] + rng.randrange(width)


def miscorrected(rng):
    """Three bits of a word whose columns add up to a fourth one's."""
    while True:
        three = rng.sample(range(128), 3)
        if COLUMNS[three[0]] ^ COLUMNS[three[1]] ^ COLUMNS[three[2]] in COLUMNS:
            return sum(1 << bit for bit in three)


def damaged(found, *masks):
    """``found`` with the words (index, mask) of ``masks`` inverted there."""
    words = list(found[1])
    for index, mask in masks:
        words[index] ^= mask
    return [found[0], words, *found[2:]]


def scenario(rng, logical, memory):
    """All that can happen to a block, shuffled, right blocks in between."""
    def cluster(**options):
        return block(rng, logical, memory, tile=False, **options)

    found = [damaged(cluster(), flip) for flip in flips(rng)]
    for one in found:
        one[4:] = 1, 1
    # In every word and in the header's CRC at once
    found.append(damaged(cluster(), (0, 1 << FIELDS["crc"] + 3), *((1 + i, 1 << 9 * i) for i in range(CLUSTER))))
    found[-1][4:] = 1, 9
    found.append(damaged(cluster(), (0, 1 << FIELDS["pad"] + 2)))
    fatal = []
    for _ in range(3):      # two in a word, in its check bits, in one each; two in the CRC and its check bits
        word = rng.randrange(CLUSTER)
        places = [(1 + word, 1 << rng.randrange(128)), (0, 1 << 9 * word + rng.randrange(9))]
        fatal.append(damaged(cluster(), *places))
        fatal.append(damaged(cluster(), (1 + word, sum(1 << bit for bit in rng.sample(range(128), 2)))))
        fatal.append(damaged(cluster(), (0, sum(1 << 9 * word + bit for bit in rng.sample(range(9), 2)))))
        fatal.append(damaged(cluster(), (1 + word, miscorrected(rng))))
        fatal.append(damaged(cluster(), (0, sum(1 << FIELDS["crc"] + bit for bit in rng.sample(range(32 + 9), 2)))))
    # Of a tile any bit that is protected by the CRC alone
    fatal += [damaged(block(rng, logical, memory, tile=True), (1 + rng.randrange(5), 1 << rng.randrange(128)))
              for _ in range(4)]
    # Another place's block, right in itself
    for tile, first in ((False, PROTECTION.tiles_end), (True, 0)):
        one = block(rng, logical, memory, tile=tile, first=first)
        one[0] = one[0] | {"addr": first + 2 * CLUSTER}
        fatal.append(one)
    other = cluster(purpose=VERIFY)
    other[0]["crc"] ^= 1 << rng.randrange(32)
    for one in (*fatal, other):
        one[3:] = 0, None, None
    # A tile's wrong CRC field is corrected
    fixed = damaged(block(rng, logical, memory, tile=True), (0, 1 << FIELDS["crc"] + 31))
    fixed[4:] = 1, 1
    right = [block(rng, logical, memory, purpose=rng.choice((READ, VERIFY))) for _ in range(6)]
    found += [*fatal, other, fixed, *right, *(raw_block(rng, memory) for _ in range(5))]
    rng.shuffle(found)
    return found


def check(checker, stall=0.0, seed=1, short=False, seals=False):
    rng = random.Random(seed)
    logical, memory = contents(seed)
    blocks = scenario(rng, logical, memory)
    if short:
        blocks = [one_word_tile(rng) for _ in range(40)]
    bench = Bench(checker, blocks, stall)
    words = sum(len(words) for _, words, *_ in blocks)
    run(bench.dut, bench.fields, bench.words, bench.verdicts, background=(bench.seal,) * seals,
        cycles=words + 20 if not stall and not seals else 4 * words)
    assert bench.sealed > 10 or not seals


def one_word_tile(rng):
    """Two words, the shortest block that is checked, one in three wrong."""
    word, addr = rng.getrandbits(128), TILE * rng.randrange(100)
    crc = zlib.crc32(word.to_bytes(16, "little")) ^ addr
    checks = int(check_bits(np.frombuffer(crc.to_bytes(16, "little"), np.uint8)))
    header = Header.const({"crc": crc, "crc_check": checks}).as_value().value
    fields = {"tile": 1, "addr": addr, "until": 1, "words": 1, "purpose": READ}
    bad = rng.random() < 1 / 3
    return [fields, [header, word ^ bad << 77], [word], not bad, 0, 0]


@pytest.mark.parametrize("stall", [0, 0.3])
@pytest.mark.parametrize("seals", [False, True])
def test_verdicts(stall, seals):
    check(Checker, stall, seals=seals)


def test_one_word_a_cycle_in_the_shortest_blocks():
    check(Checker, short=True)


@pytest.mark.parametrize("words", [1, 4, 9])
def test_nothing_is_left_after_a_reset(words):
    """Of a block with two wrong bits in its first word that has come in part, or whole and is not judged yet."""
    rng = random.Random(words)
    logical, memory = contents(1)
    bench = Bench(Checker, [block(rng, logical, memory, tile=False) for _ in range(3)])
    bad = damaged(block(rng, logical, memory, tile=False), (1, 3))
    reset, begun = Signal(), []

    async def before(ctx):
        ctx.set(bench.dut.block.payload, said(bad[0]))
        ctx.set(bench.dut.block.valid, 1)
        await send(ctx, bench.dut.i, bad[1][:words])
        ctx.set(bench.dut.block.valid, 0)
        ctx.set(reset, 1)
        await ctx.tick()
        ctx.set(reset, 0)
        begun.append(True)

    def after(testbench):
        async def waiting(ctx):
            while not begun:
                await ctx.tick()
            await testbench(ctx)
        return waiting

    run(ResetInserter(reset)(bench.dut), before, *map(after, (bench.fields, bench.words, bench.verdicts)), cycles=80)


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_checker_is_caught(name):
    broken = mutate("dojang_hdl.guard.checker", *MUTATIONS[name]).Checker
    with pytest.raises(AssertionError):
        check(broken)
        check(broken, seals=True)
