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
from .row_scales import RowScaleReader
from .zero import CodedFactors, CodedScaler, ZeroProduct

__all__ = ["CodedParts"]


class CodedParts:
    """`PlainParts` for window codes, groups of blocks, rotated products, several terms, integer offsets, row scales."""

    factors = CodedFactors
    sum_latency = GroupSum.latency
    factors_latency = ZeroProduct.latency

    def __init__(self, config: ChipConfig):
        self._config = config
        self.aligner = GroupAligner(config.contexts)
        self.scale_reader = RowScaleReader(config.lanes, config.acc_rows)
        self.scalers = [CodedScaler() for _ in range(config.contexts)]

    def walk(self, m, command, start, advance) -> GroupWalk:
        m.submodules.walk = walk = GroupWalk()
        m.d.comb += [
            walk.start.eq(start), walk.groups.eq(command.groups), walk.blocks.eq(command.blocks),
            walk.terms.eq(command.terms), walk.advance.eq(advance),
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

    def sum(self, m, command, walk, issue, dots, dots_valid, serializer):
        config, reader = self._config, self.scale_reader
        m.submodules.group_sum = group_sum = GroupSum(config.lanes, config.contexts, config.acc_rows)
        assert group_sum.turnaround <= Accumulator.turnaround

        # What is known of a unit at its last step goes along with it, up to the reads ahead of its dot products.
        to_lanes = 1 + Lane.latency
        pipe = Pipeline(m, issue.step & issue.last)
        unit = pipe.stage(fresh=walk.fresh, completes=walk.completes, final=issue.ends)
        for stage in range(2, to_lanes):
            unit = pipe.stage(fresh=unit.fresh, completes=unit.completes, final=unit.final)
            if stage == to_lanes - group_sum.lead:
                m.d.comb += [group_sum.ahead.eq(pipe.valid), group_sum.fresh.eq(unit.fresh),
                             group_sum.completes.eq(unit.completes)]
            if stage == to_lanes + group_sum.latency - reader.lead:
                m.d.comb += [reader.pop.eq(pipe.valid & unit.completes), reader.final.eq(unit.final)]

        m.d.comb += [
            group_sum.start.eq(walk.begin), group_sum.rows.eq(command.rows), group_sum.contexts.eq(command.contexts),
            serializer.i_valid.eq(group_sum.o_valid), serializer.unit.eq(reader.o),
        ]
        for c in range(config.contexts):
            for i in range(config.lanes):
                m.d.comb += [group_sum.dots[c][i].eq(dots[c][i]), serializer.dots[c][i].eq(group_sum.o[c][i])]

    def group(self, m, command, take, serializer):
        m.submodules.zero = zero = ZeroProduct(self._config.contexts)
        m.d.comb += [zero.zero.eq(command.zero), zero.i_valid.eq(take), serializer.take.eq(zero.o_valid)]
        for c, group in enumerate(serializer.group):
            m.d.comb += [zero.exponent[c].eq(self.aligner.exponent[c]), zero.total[c].eq(self.aligner.total[c]),
                         group.eq(zero.o[c])]
