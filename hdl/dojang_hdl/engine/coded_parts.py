"""What engines for coded weights are made of."""

from amaranth.lib.wiring import connect

from ..arith.pipeline import Pipeline
from ..config import ChipConfig
from .accumulator import Accumulator
from .decoder import WindowDecoder
from .group_aligner import GroupAligner
from .group_sum import GroupSum
from .group_walk import GroupWalk
from .lane import Lane
from .queued_issue import QueuedIssue
from .row_scales import RowScaleReader
from .sum_queue import SumQueue
from .zero import CodedFactors, CodedScaler, ZeroProduct

__all__ = ["CodedParts"]


class CodedParts:
    """`PlainParts` for window codes, groups of blocks, rotated products, several terms, integer offsets, row scales."""

    factors = CodedFactors
    sum_latency = GroupSum.latency + SumQueue.latency
    factors_latency = ZeroProduct.latency
    ahead = QueuedIssue.ahead
    queued = True

    def __init__(self, config: ChipConfig):
        self._config = config
        self.aligner = GroupAligner(config.contexts)
        self.issue = QueuedIssue(config.lanes)
        self.scale_reader = RowScaleReader(config.lanes, config.acc_rows)
        self.queue = SumQueue(config.lanes, config.contexts, config.acc_rows, Accumulator.turnaround)
        self.scalers = [CodedScaler() for _ in range(config.contexts)]

    @property
    def completes(self):
        return self.issue.step_completes

    def walk(self, m, command, start) -> GroupWalk:
        m.submodules.walk = walk = GroupWalk()
        m.d.comb += [
            walk.start.eq(start), walk.groups.eq(command.groups), walk.blocks.eq(command.blocks),
            walk.terms.eq(command.terms), walk.advance.eq(self.issue.advance), self.issue.fresh.eq(walk.fresh),
            self.aligner.blocks.eq(command.blocks), self.aligner.rotated.eq(command.rotated),
            self.aligner.terms.eq(command.terms),
            self.scale_reader.start.eq(start), *(scaler.double.eq(command.double) for scaler in self.scalers),
        ]
        return walk

    def planes(self, m, words, command, walk):
        m.submodules.decoder = decoder = WindowDecoder(self._config.lanes)
        connect(m, words, decoder.i)
        m.d.comb += [decoder.start.eq(walk.begin), decoder.blocks.eq(walk.passes),
                     *(getattr(decoder, name).eq(command[name]) for name in ("code", "masked", "rows", "bits"))]
        return decoder.o

    def scales(self, command, walk) -> list:
        queue, reader = self.queue, self.scale_reader
        return [reader.mode.eq(command.scale_mode), queue.factors.eq(reader.available),
                self.issue.starved.eq(queue.starved), reader.pop.eq(queue.pop), reader.final.eq(queue.final)]

    @property
    def pace(self):
        return self.queue.spread

    def sum(self, m, command, walk, dots, dots_valid, serializer):
        config, issue, reader, queue = self._config, self.issue, self.scale_reader, self.queue
        m.submodules.queue = queue
        m.submodules.group_sum = group_sum = GroupSum(config.lanes, config.contexts, config.acc_rows)
        assert group_sum.turnaround <= Accumulator.turnaround <= GroupAligner.least

        # What is known of a unit at its last step goes along with it, up to the read ahead of its dot products.
        pipe = Pipeline(m, issue.step & issue.last)
        unit = pipe.stage(fresh=issue.step_fresh, completes=issue.step_completes)
        for _ in range(Lane.latency - group_sum.lead):
            unit = pipe.stage(fresh=unit.fresh, completes=unit.completes)
        # A product's factors come to the serializer when the last rows of the one before the previous have left it.
        assert queue.lead + 1 + config.lanes <= queue.place_latency + 1 + self.factors_latency + 1
        assert queue.lead == reader.lead

        m.d.comb += [
            group_sum.ahead.eq(pipe.valid), group_sum.fresh.eq(unit.fresh), group_sum.completes.eq(unit.completes),
            *(signal.eq(value) for part in (group_sum, queue) for signal, value in (
                (part.start, walk.begin), (part.rows, command.rows), (part.contexts, command.contexts))),
            queue.products.eq(walk.products), issue.room.eq(queue.room), issue.place.eq(queue.place),
            queue.reserve.eq(issue.step & issue.last & issue.step_completes),
            queue.begins.eq(issue.step & issue.begins & issue.step_completes), queue.i_valid.eq(group_sum.o_valid),
            serializer.i_valid.eq(queue.o_valid), serializer.unit.eq(reader.o),
        ]
        for c in range(config.contexts):
            for i in range(config.lanes):
                m.d.comb += [group_sum.dots[c][i].eq(dots[c][i]), queue.i[c][i].eq(group_sum.o[c][i]),
                             serializer.dots[c][i].eq(queue.o[c][i])]

    def group(self, m, command, take, serializer):
        m.submodules.zero = zero = ZeroProduct(self._config.contexts)
        m.d.comb += [zero.zero.eq(command.zero), zero.i_valid.eq(take), serializer.take.eq(zero.o_valid)]
        for c, group in enumerate(serializer.group):
            m.d.comb += [zero.exponent[c].eq(self.aligner.exponent[c]), zero.total[c].eq(self.aligner.total[c]),
                         group.eq(zero.o[c])]
