"""The engine: y = W x, W as bit-planes with FP16 scales, x as FP32 vectors in SRAM."""

from amaranth.hdl import Cat, DomainRenamer, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from .. import isa
from ..config import BLOCK, ELEMENTS, WORD_BITS, ChipConfig
from ..sram_port import SramRead, SramWrite
from .accumulator import Accumulator
from .coded_parts import CodedParts
from .lane import Lane
from .plain_parts import PlainParts
from .scales import QUEUE
from .serializer import Serializer

__all__ = ["Engine", "GemvCommand"]

GemvCommand = data.StructLayout({
    "act": 16, "out": 16, **{name: width for name, width in isa.GEMV if name not in ("n_is_groups", "pad")}})
"""SRAM addresses of the first context's activations and results, and the fields of `dojang_hdl.isa.GEMV`."""


class Engine(wiring.Component):
    """Multiplies a streamed matrix with up to ``config.contexts`` vectors, bit-exact to docs/reference/numerics.md.

    Consumes ``32 * lanes`` plane bits per cycle as long as both streams deliver, a block's rows / lanes * bits cycles
    are enough to align the next one, and bits are no fewer than lanes where results leave, at a group's last block.
    Without ``config.coded`` the fields of a command from ``code`` on do not matter, and there is no ScaleMode.ROW.
    Results leave while the last group's rows finish; context 0's last word is written ``latency`` cycles after the last
    plane's step is decided on, each further context's a cycle later.

    Members
    -------
    command: accepted only while not ``busy``, and kept; rows a multiple of 4 up to ``config.acc_rows``, bits 1 to 8,
        contexts less than ``config.contexts``. No rows or no groups: nothing is read or written.
    planes, scales: streams of docs/reference/layout.md. Of ``scales`` two words may be taken ahead of the next command.
    scales_used: pulse, a word of ``scales`` is needed no more.
    scales_forget: what was taken ahead is not the next command's; in its first cycle at the latest.
    sram: reads of the activations: context c's vector starts at act + c * act_stride.
    write: results: row r of context c is element r of the vector at out + c * out_stride.
    busy: a command is under way, its last write included.
    waiting_planes, waiting_scales, waiting_activations: the lanes idle in this cycle, for this reason (at most one).
    nonfinite: pulse, an activation was an infinity or NaN.
    spare: contexts beyond the first are in use; while it is low nothing changes in ``spare_domain``.

    Parameters
    ----------
    spare_domain: clock domain of the arithmetic of contexts beyond the first.
    """

    def __init__(self, config: ChipConfig, spare_domain: str = "sync"):
        self._config, self._spare_domain = config, spare_domain
        self._parts = (CodedParts if config.coded else PlainParts)(config)
        super().__init__({
            "command": In(stream.Signature(GemvCommand)),
            "planes": In(stream.Signature(WORD_BITS)), "scales": In(stream.Signature(WORD_BITS)),
            "scales_used": Out(1), "scales_forget": In(1),
            "sram": Out(SramRead()), "write": Out(SramWrite()),
            "busy": Out(1), "waiting_planes": Out(1), "waiting_scales": Out(1), "waiting_activations": Out(1),
            "nonfinite": Out(1), "spare": Out(1),
        })

    @property
    def latency(self) -> int:
        """Cycles from the decision on the step of the last plane to context 0's last write."""
        return self._to_serial + self._config.lanes - 1 + self._parts.scalers[0].latency + Accumulator.latency

    @property
    def _to_serial(self) -> int:
        """Cycles from a unit's last step being due to its first row at the scalers: step, lane, sum, serializer."""
        return self._parts.ahead + 1 + Lane.latency + self._parts.sum_latency + Serializer.latency

    def elaborate(self, platform):
        m = Module()
        config, parts = self._config, self._parts
        m.submodules.aligner = aligner = parts.aligner
        m.submodules.issue = issue = parts.issue
        m.submodules.scale_reader = scale_reader = parts.scale_reader
        m.submodules.serializer = serializer = Serializer(config.lanes, config.contexts, parts.factors)
        m.submodules.accumulator = accumulator = Accumulator(
            config.contexts, config.acc_rows, self._spare_domain)
        command, start = self._accept(m, accumulator.done)
        walk = parts.walk(m, command, start)
        connect(m, parts.planes(m, flipped(self.planes), command, walk), issue.planes)
        connect(m, flipped(self.scales), scale_reader.scales)
        m.d.comb += [self.scales_used.eq(scale_reader.used), scale_reader.forget.eq(self.scales_forget)]
        connect(m, aligner.sram, flipped(self.sram))
        connect(m, accumulator.write, flipped(self.write))
        # Of two groups the serializer has the factors: they come in time, and not before the last row of the one whose
        # place they take.
        assert self._to_serial < QUEUE
        assert parts.factors_latency + 2 <= self._to_serial
        assert parts.queued or self._to_serial + config.lanes <= Accumulator.turnaround + parts.factors_latency + 3

        m.d.comb += [aligner.start.eq(start), serializer.start.eq(start),
                     issue.start.eq(walk.begin), accumulator.start.eq(walk.begin)]
        for unit in (aligner, serializer, accumulator):
            m.d.comb += unit.contexts.eq(command.contexts)
        for unit in (issue, accumulator):
            m.d.comb += unit.rows.eq(command.rows)
        m.d.comb += [
            aligner.act.eq(command.act), aligner.stride.eq(command.act_stride), aligner.groups.eq(command.groups),
            accumulator.out.eq(command.out), accumulator.stride.eq(command.out_stride),
            accumulator.groups.eq(walk.products),
            issue.passes.eq(walk.passes), issue.bits.eq(command.bits), issue.completes.eq(walk.completes),
            issue.aligned.eq(aligner.ready), *parts.scales(command, walk),
            *(getattr(self, name).eq(getattr(issue, name))
              for name in ("waiting_planes", "waiting_scales", "waiting_activations")),
            self.nonfinite.eq(aligner.nonfinite),
            self.spare.eq(self.busy & (command.contexts != 0)),
        ]
        # The serializer needs a cycle a row; the write port a cycle a context for every four rows.
        units = (ELEMENTS // config.lanes).bit_length() - 1
        if config.contexts > ELEMENTS:
            m.d.sync += parts.pace.eq(Mux(command.contexts < ELEMENTS, config.lanes, (command.contexts >> units) + 1))
        else:
            m.d.comb += parts.pace.eq(config.lanes)

        step = Signal(config.contexts)
        plane = Signal(BLOCK * config.lanes)
        first, last, take = Signal(), Signal(), Signal()
        m.d.sync += [step.eq(Cat(issue.step & (command.contexts >= c) for c in range(config.contexts))),
                     take.eq(issue.step & issue.begins & parts.completes)]
        with m.If(issue.step):
            m.d.sync += [plane.eq(issue.plane), first.eq(issue.first), last.eq(issue.last)]
        m.d.comb += aligner.take.eq(issue.step & issue.begins)
        parts.group(m, command, take, serializer)

        lanes = [[Lane() for _ in range(config.lanes)] for _ in range(config.contexts)]
        for c in range(config.contexts):
            place = DomainRenamer(self._spare_domain if c else "sync")
            for i, lane in enumerate(lanes[c]):
                m.submodules[f"lane{c}_{i}"] = place(lane)
                m.d.comb += [
                    lane.q.eq(aligner.q[c]), lane.i_valid.eq(step[c]), lane.plane.eq(plane.word_select(i, BLOCK)),
                    lane.first.eq(first), lane.last.eq(last), lane.signed.eq(command.signed),
                ]
            scaler = parts.scalers[c]
            m.submodules[f"scaler{c}"] = place(scaler)
            m.d.comb += [
                scaler.i_valid.eq(serializer.o_valid & (command.contexts >= c)), scaler.dot.eq(serializer.o_dot[c]),
                *(getattr(scaler, name).eq(serializer.o_group[c][name]) for name in parts.factors.members),
                scaler.scale.eq(serializer.o_scale), scaler.offset.eq(serializer.o_offset),
                scaler.affine.eq(command.scale_mode == isa.ScaleMode.AFFINE), accumulator.t[c].eq(scaler.o),
            ]
        dots = [[lane.o for lane in unit] for unit in lanes]
        parts.sum(m, command, walk, dots, lanes[0][0].o_valid, serializer)
        m.d.comb += accumulator.i_valid.eq(parts.scalers[0].o_valid)
        return m

    def _accept(self, m, done):
        """The command under way, and a pulse in its first cycle."""
        command = Signal(GemvCommand)
        start = Signal()
        m.d.comb += self.command.ready.eq(~self.busy)
        m.d.sync += start.eq(0)
        with m.If(self.command.valid & self.command.ready):
            fields = self.command.payload
            work = (fields.rows != 0) & (fields.groups != 0)
            m.d.sync += [command.eq(fields), start.eq(work), self.busy.eq(work)]
        with m.Elif(done):
            m.d.sync += self.busy.eq(0)
        return command, start
