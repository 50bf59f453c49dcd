"""Every command of the mover against its contract in isa.py and layout.md, and mutations that this must catch."""

import random
import struct

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from dojang_hdl.config import ChipConfig
from dojang_hdl.isa import Mode, Op
from dojang_hdl.mesh.flit import DataKind, HostType, RequestKind
from dojang_hdl.node import mover as module
from dojang_hdl.node.sram import Sram
from dojang_sim.benches.mutation import mutate
from dojang_sim.benches.streams import run, send

RX = 0x8000
X, Y = 2, 1
COUNTERS, ERRORS = 0x0123456789ABCDEF0011223344556677, 0x15
CONTEXTS = 3
CANDIDATES = [[(0x41000000 + 7 * i + context, 1000 * context + i) for i in range(16)] for context in range(CONTEXTS)]
WATCHDOG = 3000


def config(lanes: int) -> ChipConfig:
    return ChipConfig("t", width=3, height=2, lanes=lanes, contexts=CONTEXTS, sram_words=128, plane_fifo=128,
                      scale_fifo=128, chunk=32)


class _Bench(wiring.Component):
    def __init__(self, mover, lanes):
        self.dut, self.sram = mover(config(lanes)), Sram(config(lanes))
        super().__init__({})

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut, m.submodules.sram = self.dut, self.sram
        wiring.connect(m, self.dut.sram, self.sram.read[0])
        return m


def fp16(pattern: int) -> int:
    """FP16 bits of an FP32 pattern on the FP16 grid."""
    return struct.unpack("<H", struct.pack("<e", struct.unpack("<f", struct.pack("<I", pattern))[0]))[0]


def lane_words(rows, lanes):
    """Memory words of one unit by docs/reference/layout.md: ``rows[lane]`` is the list of 32 codes of a row."""
    sequence = [sum((row[j] >> plane & 1) << j for j in range(32)) for plane in range(7, -1, -1) for row in rows]
    return [sum(word << 32 * j for j, word in enumerate(sequence[i:i + 4])) for i in range(0, len(sequence), 4)]


def codes(words):
    return [word >> 32 * j & 0xFF for word in words for j in range(4)]


def bytes_of(mask):
    return sum(0xFF << 8 * byte for byte in range(16) if mask >> byte & 1)


class Reference:
    """The flits a command must give: ("request" or "data", fields)."""

    def __init__(self, lanes, banks, tile):
        self.lanes, self.banks, self.tile = lanes, banks, iter(tile)

    def words(self, addr, count):
        return [self.banks[addr & RX][(addr & ~RX) + i] for i in range(count)]

    def write(self, command, addr, payload, mask=0xFFFF):
        return "request", {"kind": RequestKind.WRITE, "row": command["channel"], "addr": addr, "mask": mask,
                           "payload": payload & bytes_of(mask)}

    def flits(self, command):
        op, n, a, d, addr = (command[name] for name in ("op", "n", "a", "d", "addr"))
        lanes, index = self.lanes, command["index"]
        if op == Op.LOAD:
            return [("request", {"kind": RequestKind.READ, "row": command["channel"], "addr": addr + at,
                                 "length": min(32, n - at), "reply": DataKind.STORE, "reply_addr": d + at,
                                 "tag": command["tag"]}) for at in range(0, n, 32)]
        if op == Op.STORE:
            return [self.write(command, addr + i, word) for i, word in enumerate(self.words(a, n))]
        if op == Op.SEND:
            return [("data", {"mode": command["mode"], "x": command["x"], "y": command["y"], "kind": DataKind.STORE,
                              "addr": d + i, "tag": command["tag"], "mask": 0xF, "payload": word})
                    for i, word in enumerate(self.words(a, n))]
        if op == Op.KPUT:
            result = []
            for row in range(n):
                rows = [codes(self.words(a + 8 * row, 8)) if lane == index % lanes else [0] * 32
                        for lane in range(lanes)]
                mask = sum(0xF << 4 * j for j in range(4) if j % lanes == index % lanes)
                result += [self.write(command, addr + 2 * lanes * row + i, word, mask)
                           for i, word in enumerate(lane_words(rows, lanes))]
            return result
        if op == Op.VPUT:
            new, result = codes(self.words(a, n)), []
            sequence = [(element, plane) for unit in range(0, 4 * n, lanes) for plane in range(7, -1, -1)
                        for element in range(unit, unit + lanes)]
            for i in range(8 * n):
                word = next(self.tile)
                for j, (element, plane) in enumerate(sequence[4 * i:4 * i + 4]):
                    at = 32 * j + index % 32
                    word = word & ~(1 << at) | (new[element] >> plane & 1) << at
                result.append(self.write(command, addr + i, word))
            return result
        if op == Op.UNPACK:
            result = []
            for i in range(8 * n):
                if i % 8 == 0:
                    planes = sum(next(self.tile) << 128 * word for word in range(2 * lanes))
                payload = 0
                for j in range(4):
                    bits = [planes >> 32 * (plane * lanes + index % lanes) + 4 * (i % 8) + j & 1 for plane in range(8)]
                    code = sum(bit << 7 - plane for plane, bit in enumerate(bits)) - 256 * bits[0]
                    payload |= struct.unpack("<I", struct.pack("<f", 12582912.0 + code))[0] << 32 * j
                result.append(("data", {"mode": Mode.UNICAST, "x": X, "y": Y, "kind": DataKind.STORE, "addr": d + i,
                                        "tag": command["tag"], "mask": 0xF, "payload": payload}))
            return result
        if op == Op.SPUT:
            width, value = (4, command["scalar"]) if command["wide"] else (2, fp16(command["scalar"]))
            byte = index * width
            mask = (1 << width) - 1 << byte % 16
            return [self.write(command, addr + byte // 16, value << 8 * (byte % 16), mask)]
        host = [("request", {"kind": RequestKind.HOST, "row": 0, "addr": kind.value, "payload": payload})
                for kind, payload in ((HostType.COUNTERS, COUNTERS), (HostType.DONE, ERRORS))]
        if op == Op.END:
            return host
        listed = CANDIDATES[command["context"]]
        return [("request", {"kind": RequestKind.HOST, "row": 0, "addr": HostType.CANDIDATES.value, "payload": sum(
            part << 32 * j for j, part in enumerate((*listed[i], *listed[i + 1])))}) for i in range(0, len(listed), 2)]


HALVES = [0x00000000, 0x80000000, 0x3F800000, 0xC77FE000, 0x33800000, 0xB8000000 | 0x7FC000, 0x38800000, 0xFF800000,
          0x387FC000]
"""FP32 patterns on the FP16 grid: zeros, one, the largest, denormals, the smallest normal, an infinity."""


def commands(rng, lanes):
    """One of every kind with corner values, then random ones."""
    def one(op, n=1, **fields):
        return {"op": op, "context": rng.randrange(CONTEXTS), "tag": rng.randrange(4),
                "a": rng.choice((0, RX)) + rng.randrange(60),
                "d": RX | rng.randrange(64), "n": n, "addr": rng.getrandbits(32) >> 1, "channel": rng.randrange(2),
                "index": rng.randrange(1 << 12), "wide": 0, "mode": Mode.ALL, "x": 0, "y": 0, "scalar": 0} | fields
    program = [one(Op.LOAD, n) for n in (1, 32, 33, 70, 0)] + [one(Op.STORE, n) for n in (1, 9, 0)]
    program += [one(Op.SEND, 5), one(Op.SEND, 2, mode=Mode.UNICAST, x=1, y=1), one(Op.SEND, 12, mode=Mode.ROW)]
    program += [one(Op.KPUT, n, index=index) for n, index in ((1, 5), (2, 6), (1, 3))]
    program += [one(Op.VPUT, n) for n in (1, 3)] + [one(Op.UNPACK, n) for n in (1, 3, 0, 2)]
    program += [one(Op.SPUT, scalar=rng.choice(HALVES)) for _ in range(4)]
    program += [one(Op.SPUT, scalar=value, index=8 * i + i) for i, value in enumerate(HALVES)]
    program += [one(Op.SPUT, wide=1, scalar=rng.getrandbits(32)) for _ in range(4)]
    rng.shuffle(program)
    program += [one(Op.REPORT, channel=1, context=context) for context in (2, 0)]
    return [*program, one(Op.STORE, 1), one(Op.END, channel=1)]


def check(mover, lanes, seed, stall):
    rng = random.Random(seed)
    bench = _Bench(mover, lanes)
    dut = bench.dut
    banks = {bank: [rng.getrandbits(128) for _ in range(128)] for bank in (0, RX)}
    program = commands(rng, lanes)
    words = {Op.VPUT: 8, Op.UNPACK: 2 * lanes}
    tile = [rng.getrandbits(128) for _ in range(sum(words.get(c["op"], 0) * c["n"] for c in program))]
    reference = Reference(lanes, banks, tile)
    expected = [flit for command in program for flit in reference.flits(command)]
    got, finished = [], False

    async def host(ctx):
        nonlocal finished
        for bank, port in ((0, bench.sram.local), (RX, bench.sram.rx)):
            for i, word in enumerate(banks[bank]):
                ctx.set(port.addr, bank + i)
                ctx.set(port.data, word)
                ctx.set(port.mask, 0xF)
                ctx.set(port.en, 1)
                await ctx.tick()
            ctx.set(port.en, 0)
        ctx.set(dut.x, X)
        ctx.set(dut.y, Y)
        ctx.set(dut.counters, COUNTERS)
        ctx.set(dut.errors, ERRORS)
        for command in program:
            ctx.set(dut.scalar, command["scalar"])
            await send(ctx, dut.command, [{name: value for name, value in command.items() if name != "scalar"}])
            while ctx.get(dut.busy):
                await ctx.tick()
            count = sum(len(Reference(lanes, banks, tile).flits(c)) for c in program[:program.index(command) + 1])
            assert len(got) == count, f"idle after {len(got)} flits, expected {count} up to {command}"
        finished = True

    async def candidates(ctx):
        coming = [(0, 0)]   # two cycles behind the place
        while True:
            coming.append(CANDIDATES[ctx.get(dut.context) % CONTEXTS][ctx.get(dut.select)])
            await ctx.tick()
            value, identity = coming.pop(0)
            ctx.set(dut.candidate, {"value": value, "id": identity})

    async def planes(ctx):
        await send(ctx, dut.planes, tile, rng, stall)

    async def links(ctx):
        while not finished:
            taken = {name: rng.random() >= stall for name in ("request", "data")}
            for name, ready in taken.items():
                ctx.set(getattr(dut, name).ready, ready)
            for name, ready in taken.items():
                port = getattr(dut, name)
                if ready and ctx.get(port.valid):
                    got.append((name, ctx.get(port.payload)))
            await ctx.tick()

    run(bench, links, cycles=WATCHDOG, background=(host, candidates, planes))
    assert len(got) == len(expected)
    for (name, flit), (port, fields) in zip(got, expected, strict=True):
        assert name == port
        for field, value in fields.items():
            seen = getattr(flit, field)
            if field == "payload" and "mask" in fields and port == "request":
                seen &= bytes_of(flit.mask)
            assert seen == value, f"{fields}: {field} is {seen:#x}"
        if name == "request":
            assert (flit.x, flit.y) == (X, Y)


@pytest.mark.parametrize("lanes", [1, 2, 4])
@pytest.mark.parametrize("stall", [0.0, 0.5])
def test_commands(lanes, stall):
    check(module.Mover, lanes, 10 * lanes, stall)


MUTATIONS = {
    "requests not cut at the chunk": ("Mux(loading, left < config.chunk + 1, left == 1)", "Mux(loading, 1, left == 1)"),
    "load address stands still": ("[addr.eq(addr + offset), command.d",
                                  "[addr.eq(addr + Mux(loading, 1, offset)), command.d"),
    "reply address stands still": ("command.d.eq(command.d + step)", "command.d.eq(command.d + 1)"),
    "store address stands still": ("[addr.eq(addr + offset), command.d", "[command.d"),
    "one word too many": ("config.chunk + 1, left == 1)", "config.chunk + 1, left == 0)"),
    "send address stands still": ("command.d.eq(command.d + step)", "command.d.eq(command.d + (step & ~1))"),
    "always multicast": ("Mode.UNICAST, command.mode)", "Mode.UNICAST, Mode.ALL)"),
    "unpacked for everybody": ("Mux(unpacking, Mode.UNICAST, command.mode)", "command.mode"),
    "unpacked for another": ("Mux(unpacking, self.x, command.x)", "command.x"),
    "unpacked are the source's": ("Mux(unpacking, unpacker.o.payload, source.o.payload)", "source.o.payload"),
    "planes are unpacked for ever": ("m.d.sync += unpacking.eq(0)", "m.d.sync += unpacking.eq(1)"),
    "half a group": ("left.eq(self.command.payload.n << 3)", "left.eq(self.command.payload.n << 2)"),
    "wrong tag": ("request.tag.eq(command.tag)", "request.tag.eq(0)"),
    "always the first channel": ("request.row.eq(command.channel)", "request.row.eq(0)"),
    "only one row of codes": ("command.n << 3, command.n)", "8, command.n)"),
    "always lane 0": ("command.index[:lane_bits] if lane_bits else 0", "0"),
    "bytes of all lanes": ("words.ready.eq(out.ready),\n                    request.payload.eq(words.payload.data), "
                           "request.mask.eq(words.payload.mask)",
                           "words.ready.eq(out.ready),\n                    request.payload.eq(words.payload.data)"),
    "always position 0": ("value_inserter.position.eq(command.index[:5])", "value_inserter.position.eq(0)"),
    "pairs of wide elements": ("0xF << (command.index[:2] << 2)", "0xF << (command.index[:2] << 1)"),
    "wide index as narrow": ("Mux(command.wide, command.index >> 2, command.index >> 3)", "command.index >> 3"),
    "narrow index as wide": ("Mux(command.wide, command.index >> 2, command.index >> 3)", "command.index >> 2"),
    "denormal halves lost": ("Mux(exponent >= 103, denormal, 0)", "0"),
    "infinity lost": ("0x7C00 | (mantissa.any() << 9)", "0x7BFF"),
    "sign of halves lost": ("return Cat(bits[:15], value[31])", "return Cat(bits[:15], Const(0, 1))"),
    "candidates twice": ("[left.eq(left - 1), self.select.eq(self.select + 1)]", "left.eq(left - 1)"),
    "always the first context's candidates": ("self.context.eq(command.context)", "self.context.eq(0)"),
    "candidates a cycle early": ('m.next = "REPORT_WAIT"', 'm.next = "REPORT_FIRST"'),
    "a pair too few": ("config.top_k // 2", "config.top_k // 2 - 1"),
    "second candidate is the first": ('self.select.eq(self.select + 1)\n                m.next = "REPORT_WAIT"',
                                      'self.select.eq(self.select)\n                m.next = "REPORT_WAIT"'),
    "messages to another row": ("request.kind.eq(RequestKind.HOST), request.row.eq(0),\n                        "
                                "request.addr.eq(kind)",
                                "request.kind.eq(RequestKind.HOST),\n                        request.addr.eq(kind)"),
    "idle before the flit has left": ("~fsm.ongoing(\"IDLE\") | self.request.valid", "~fsm.ongoing(\"IDLE\")"),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_mutation_is_caught(name):
    mutant = mutate(module.__name__, *MUTATIONS[name])
    with pytest.raises(AssertionError):
        check(mutant.Mover, 2, 7, 0.3)
