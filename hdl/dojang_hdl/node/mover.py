"""The mover carries data between SRAM, memory, other nodes and the host."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..config import ELEMENTS, WORD_BITS, ChipConfig
from ..isa import CONTEXT_BITS, Mode, Op
from ..mesh.flit import DataKind, DataLink, HostType, RequestFlit, RequestKind, RequestLink
from ..sram_port import SramRead
from ..streams.buffer import Buffer
from .kept_lists import Candidate
from .planes import KeyPacker, ValueInserter
from .source import SramSource
from .unpacker import Unpacker

__all__ = ["Mover", "MoverCommand"]

MoverCommand = data.StructLayout({
    "op": Op, "context": CONTEXT_BITS, "tag": 2, "a": 16, "d": 16, "n": 16, "addr": 32, "channel": 4, "index": 32,
    "wide": 1, "mode": Mode, "x": 4, "y": 4})
"""`index`: what picks the lane (KPUT, UNPACK), bit (VPUT) or element (SPUT)."""


class Mover(wiring.Component):
    """Executes LOAD, STORE, SEND, KPUT, VPUT, SPUT, UNPACK, REPORT and END (see isa.Op).

    A command is done when its last flit has left; STORE and SEND move one word per cycle. A later memory request of
    the same node is ordered behind them.

    Members
    -------
    command: In stream of `MoverCommand`; accepted only when idle, and kept.
    busy: a command is being executed.
    x, y: the node's place.
    request, data: the networks' local inputs.
    sram: read port.
    planes: the plane stream (VPUT, UNPACK).
    scalar: the vector unit's scalar register to put (SPUT), in the cycle after acceptance.
    context, select, candidate: the candidate lists' read port (REPORT).
    counters: sent by END as four 32-bit numbers. errors: `isa.Flag`, sent with DONE.
    """

    def __init__(self, config: ChipConfig):
        self.config = config
        super().__init__({
            "command": In(stream.Signature(MoverCommand)),
            "busy": Out(1),
            "x": In(4), "y": In(4),
            "request": Out(RequestLink()),
            "data": Out(DataLink()),
            "sram": Out(SramRead()),
            "planes": In(stream.Signature(WORD_BITS)),
            "scalar": In(32),
            "context": Out(CONTEXT_BITS), "select": Out(range(config.top_k)),
            "candidate": In(Candidate),
            "counters": In(WORD_BITS),
            "errors": In(8),
        })

    def elaborate(self, platform):
        m = Module()
        config = self.config
        m.submodules.source = source = SramSource()
        m.submodules.key_packer = key_packer = KeyPacker(config.lanes)
        m.submodules.value_inserter = value_inserter = ValueInserter(config.lanes)
        m.submodules.unpacker = unpacker = Unpacker(config.lanes)
        wiring.connect(m, source.sram, wiring.flipped(self.sram))

        command = Signal(MoverCommand)
        scalar = Signal(32)   # the element to put, twice if it is an FP16 one
        addr, left = Signal(32), Signal(20)
        # Cuts the way between the packers and the merge, which lie apart.
        m.submodules.leaving = leaving = Buffer(RequestFlit)
        wiring.connect(m, leaving.o, wiring.flipped(self.request))
        out = leaving.i
        request, flit = out.payload, self.data.payload
        lane_bits = config.lanes.bit_length() - 1
        m.d.comb += [
            request.x.eq(self.x), request.y.eq(self.y), request.row.eq(command.channel), request.addr.eq(addr),
            request.kind.eq(RequestKind.WRITE), request.tag.eq(command.tag), request.mask.eq(~0),
            request.payload.eq(source.o.payload), request.reply.eq(DataKind.STORE), self.context.eq(command.context),
            request.reply_addr.eq(command.d),
            flit.kind.eq(DataKind.STORE), flit.addr.eq(command.d), flit.tag.eq(command.tag), flit.mask.eq(~0),
            key_packer.lane.eq(command.index[:lane_bits] if lane_bits else 0),
            value_inserter.position.eq(command.index[:5]),
            # Without codes the inserter takes and gives nothing, so its streams need not look at the state.
            value_inserter.i.valid.eq(self.planes.valid),
            value_inserter.i.payload.eq(self.planes.payload), value_inserter.o.ready.eq(out.ready),
            key_packer.codes.payload.eq(source.o.payload), value_inserter.codes.payload.eq(source.o.payload),
        ]
        # A register of its own picks whose the planes and the data flits are: many bits hang on it.
        unpacking = Signal()
        m.d.comb += [
            unpacker.lane.eq(command.index[:lane_bits] if lane_bits else 0),
            unpacker.i.payload.eq(self.planes.payload), unpacker.i.valid.eq(self.planes.valid & unpacking),
            self.planes.ready.eq(Mux(unpacking, unpacker.i.ready, value_inserter.i.ready)),
            flit.mode.eq(Mux(unpacking, Mode.UNICAST, command.mode)), flit.x.eq(Mux(unpacking, self.x, command.x)),
            flit.y.eq(Mux(unpacking, self.y, command.y)),
            flit.payload.eq(Mux(unpacking, unpacker.o.payload, source.o.payload)),
        ]
        # One adder each for all that counts: words, or requests of up to a chunk.
        sent, loading, last = Signal(), Signal(), Signal()
        step, offset = Signal(16), Signal(16)
        m.d.comb += [
            sent.eq(out.valid & out.ready | self.data.valid & self.data.ready),
            loading.eq(command.op == Op.LOAD),
            step.eq(Mux(loading, config.chunk, 1)), offset.eq(step),
            last.eq(Mux(loading, left < config.chunk + 1, left == 1)),
        ]

        def advance():
            with m.If(sent):
                m.d.sync += [addr.eq(addr + offset), command.d.eq(command.d + step), left.eq(left - step)]
                with m.If(last):
                    m.next = "IDLE"

        with m.FSM() as fsm:
            m.d.comb += self.busy.eq(~fsm.ongoing("IDLE") | self.request.valid)
            with m.State("IDLE"):
                m.d.comb += self.command.ready.eq(1)
                m.d.sync += [command.eq(self.command.payload), addr.eq(self.command.payload.addr)]
                m.d.sync += left.eq(self.command.payload.n)
                with m.If(self.command.valid):
                    with m.Switch(self.command.payload.op):
                        with m.Case(Op.REPORT):
                            m.d.sync += [left.eq(config.top_k // 2), self.select.eq(0)]
                            m.next = "REPORT_SELECT"
                        with m.Case(Op.END):
                            m.next = "COUNTERS"
                        with m.Case(Op.UNPACK):
                            m.d.sync += left.eq(self.command.payload.n << 3)
                            with m.If(self.command.payload.n != 0):
                                m.d.sync += unpacking.eq(1)
                                m.next = "UNPACK"
                        with m.Default():
                            with m.If(self.command.payload.n != 0):
                                m.next = "PREPARE"
            with m.State("PREPARE"):
                with m.Switch(command.op):
                    with m.Case(Op.LOAD):
                        m.next = "LOAD"
                    with m.Case(Op.SPUT):
                        m.d.comb += offset.eq(Mux(command.wide, command.index >> 2, command.index >> 3))
                        m.d.sync += [scalar.eq(Mux(command.wide, self.scalar, _fp16_bits(self.scalar).replicate(2))),
                                     addr.eq(addr + offset)]
                        m.next = "SPUT"
                    with m.Default():
                        m.d.comb += [
                            source.command.valid.eq(1),
                            source.command.payload.addr.eq(command.a),
                            source.command.payload.words.eq(Mux(command.op == Op.KPUT, command.n << 3, command.n)),
                        ]
                        with m.Switch(command.op):
                            with m.Case(Op.SEND):
                                m.next = "SEND"
                            with m.Case(Op.STORE):
                                m.next = "STORE"
                            with m.Case(Op.KPUT):
                                m.d.sync += left.eq(command.n * (2 * config.lanes))
                                m.next = "KPUT"
                            with m.Case(Op.VPUT):
                                m.d.sync += left.eq(command.n << 3)
                                m.next = "VPUT"
            with m.State("LOAD"):
                m.d.comb += [out.valid.eq(1), request.kind.eq(RequestKind.READ),
                             request.length.eq(Mux(last, left, config.chunk))]
                advance()
            with m.State("SEND"):
                m.d.comb += [self.data.valid.eq(source.o.valid), source.o.ready.eq(self.data.ready)]
                advance()
            with m.State("UNPACK"):
                m.d.comb += [self.data.valid.eq(unpacker.o.valid), unpacker.o.ready.eq(self.data.ready)]
                advance()
                with m.If(sent & last):
                    m.d.sync += unpacking.eq(0)
            with m.State("STORE"):
                m.d.comb += [out.valid.eq(source.o.valid), source.o.ready.eq(out.ready)]
                advance()
            with m.State("KPUT"):
                words = key_packer.o
                m.d.comb += [
                    key_packer.codes.valid.eq(source.o.valid), source.o.ready.eq(key_packer.codes.ready),
                    out.valid.eq(words.valid), words.ready.eq(out.ready),
                    request.payload.eq(words.payload.data), request.mask.eq(words.payload.mask),
                ]
                advance()
            with m.State("VPUT"):
                words = value_inserter.o
                m.d.comb += [
                    value_inserter.codes.valid.eq(source.o.valid), source.o.ready.eq(value_inserter.codes.ready),
                    out.valid.eq(words.valid),
                    request.payload.eq(words.payload.data), request.mask.eq(words.payload.mask),
                ]
                advance()
            with m.State("SPUT"):
                m.d.comb += [out.valid.eq(1), request.payload.eq(scalar.replicate(ELEMENTS)),
                             request.mask.eq(Mux(command.wide, 0xF << (command.index[:2] << 2),
                                                 0x3 << (command.index[:3] << 1)))]
                with m.If(sent):
                    m.next = "IDLE"
            with m.State("REPORT_SELECT"):
                m.d.sync += self.select.eq(self.select + 1)
                m.next = "REPORT_WAIT"
            with m.State("REPORT_WAIT"):
                m.next = "REPORT_FIRST"
            with m.State("REPORT_FIRST"):
                m.d.sync += command.index.eq(self.candidate.id)  # holds the first of the pair
                m.d.sync += addr.eq(self.candidate.value)
                m.next = "REPORT_SEND"
            with m.State("REPORT_SEND"):
                m.d.comb += [
                    out.valid.eq(1), request.kind.eq(RequestKind.HOST), request.row.eq(0),
                    request.addr.eq(HostType.CANDIDATES),
                    request.payload.eq(Cat(addr, command.index, self.candidate.value, self.candidate.id)),
                ]
                with m.If(sent):
                    m.d.sync += [left.eq(left - 1), self.select.eq(self.select + 1)]
                    with m.If(last):
                        m.next = "IDLE"
                    with m.Else():
                        m.next = "REPORT_SELECT"
            for state, kind, payload, following in (
                    ("COUNTERS", HostType.COUNTERS, self.counters, "DONE"),
                    ("DONE", HostType.DONE, self.errors, "IDLE")):
                with m.State(state):
                    m.d.comb += [
                        out.valid.eq(1), request.kind.eq(RequestKind.HOST), request.row.eq(0),
                        request.addr.eq(kind), request.payload.eq(payload),
                    ]
                    with m.If(sent):
                        m.next = following
        return m


def _fp16_bits(value):
    """FP16 pattern of an FP32 value that lies on the FP16 grid (as `Round.FP16` leaves it)."""
    exponent, mantissa = value[23:31], value[13:23]
    denormal = Cat(mantissa, Const(1, 1)) >> (113 - exponent)[:4]
    bits = Mux(exponent == 255, 0x7C00 | (mantissa.any() << 9),
               Mux(exponent >= 113, Cat(mantissa, (exponent - 112)[:5]),
                   Mux(exponent >= 103, denormal, 0)))
    return Cat(bits[:15], value[31])
