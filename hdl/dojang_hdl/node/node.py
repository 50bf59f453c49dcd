"""The node: what the chip repeats."""

from amaranth.hdl import Cat, Const, DomainRenamer, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from .. import isa
from ..clock_gate import gated_domain
from ..config import ELEMENTS, ChipConfig
from ..engine import Engine
from ..mesh.flit import DataKind, DataLink, RequestLink, RunLayout
from ..mesh.reader import StreamReader
from ..mesh.request_merge import RequestMerge
from ..mesh.router import DataRouter, RequestRouter
from ..vector import VectorUnit
from .candidates import Candidates
from .instruction import GemvLayout, MemLayout, SendLayout, Unit, VecLayout
from .mover import Mover
from .sequencer import Sequencer
from .sram import Sram

__all__ = ["Node", "NodePorts"]

DIRECTIONS = ("north", "east", "south", "west")


class NodePorts(wiring.Signature):
    """A node's ports, the same for every configuration.

    Members
    -------
    x, y: the node's place; constant while the chip runs.
    data_i_*, data_o_*, request_i_*, request_o_*: links to the four neighbours (or edges).
    """

    def __init__(self):
        members = {"x": In(4), "y": In(4)}
        for direction in DIRECTIONS:
            members |= {
                f"data_i_{direction}": In(DataLink()), f"data_o_{direction}": Out(DataLink()),
                f"request_i_{direction}": In(RequestLink()), f"request_o_{direction}": Out(RequestLink()),
            }
        super().__init__(members)


class Node(wiring.Component):
    """Routers, SRAM, stream readers, engine, vector unit, candidate list, mover and sequencer; see `NodePorts`.

    Parameters
    ----------
    gated: stop the clocks of units that wait for the sequencer (see `clock_gate`); behaviour is the same.
    """

    def __init__(self, config: ChipConfig, gated: bool = False):
        self.config, self._gated = config, gated
        super().__init__(NodePorts())

    def elaborate(self, platform):
        m = Module()
        config = self.config
        m.submodules.data_router = data_router = DataRouter(config.width, config.height)
        m.submodules.request_router = request_router = RequestRouter(config.width, config.height)
        m.submodules.sram = sram = Sram(config)
        m.submodules.planes = planes = StreamReader(
            config.plane_fifo, config.chunk, (DataKind.PLANES, DataKind.URGENT_PLANES), config.queued_streams)
        # The engine's scale reader and the sequencer decide from registers what they take.
        m.submodules.scales = scales = StreamReader(
            config.scale_fifo, config.chunk, (DataKind.SCALES, DataKind.URGENT_SCALES), config.queued_streams,
            late=False, keeps=True)
        m.submodules.program = program = StreamReader(
            config.program_fifo, config.chunk, (DataKind.PROGRAM,), (0,), late=False)
        m.submodules.sequencer = sequencer = Sequencer(config)
        engine, vector = Engine(config, spare_domain="spare"), VectorUnit(config.vector_lanes)
        candidates, mover = Candidates(config.top_k, config.contexts), Mover(config)
        # While the engine computes, the other units wait for their next instruction.
        gated_domain(m, "others", ~engine.busy, self._gated)
        gated_domain(m, "spare", engine.spare, self._gated)
        in_others = DomainRenamer("others")
        m.submodules.engine = engine
        m.submodules.vector = in_others(vector)
        m.submodules.candidates = in_others(candidates)
        m.submodules.mover = in_others(mover)
        sources = [request for reader in (planes, scales, program) for request in reader.request] + [mover.request]
        m.submodules.requests = requests = RequestMerge(len(sources))

        for router, name in ((data_router, "data"), (request_router, "request")):
            m.d.comb += [router.x.eq(self.x), router.y.eq(self.y)]
            for direction in DIRECTIONS:
                wiring.connect(m, wiring.flipped(getattr(self, f"{name}_i_{direction}")),
                               getattr(router, f"i_{direction}"))
                wiring.connect(m, getattr(router, f"o_{direction}"),
                               wiring.flipped(getattr(self, f"{name}_o_{direction}")))
        for unit in (planes, scales, program, mover):
            m.d.comb += [unit.x.eq(self.x), unit.y.eq(self.y)]
        for source, target in zip(sources, requests.i, strict=True):
            wiring.connect(m, source, target)
        wiring.connect(m, requests.o, request_router.i_local)
        wiring.connect(m, mover.data, data_router.i_local)
        m.d.comb += request_router.o_local.ready.eq(1)  # nothing is ever routed there

        self._receive(m, data_router.o_local, sram, (planes, scales, program), sequencer)
        self._issue(m, sequencer, engine, vector, candidates, mover, planes, scales)

        # SRAM ports belong to the unit that executes.
        active = sequencer.active
        mine = {Unit.ENGINE: engine.sram, Unit.VECTOR: vector.a, Unit.CANDIDATES: candidates.sram,
                Unit.MOVER: mover.sram}
        with m.Switch(active):
            for unit, port in mine.items():
                with m.Case(unit):
                    m.d.comb += sram.read[0].addr.eq(port.addr)
        for port in mine.values():
            m.d.comb += port.data.eq(sram.read[0].data)
        wiring.connect(m, vector.b, sram.read[1])
        for member in ("en", "addr", "data", "mask"):
            m.d.comb += getattr(sram.local, member).eq(
                Mux(active == Unit.ENGINE, getattr(engine.write, member), getattr(vector.write, member)))

        # The plane stream feeds the engine, and the mover while it inserts values.
        to_mover = active == Unit.MOVER
        m.d.comb += [
            engine.planes.payload.eq(planes.o.payload), mover.planes.payload.eq(planes.o.payload),
            engine.planes.valid.eq(planes.o.valid & ~to_mover), mover.planes.valid.eq(planes.o.valid & to_mover),
            planes.o.ready.eq(Mux(to_mover, mover.planes.ready, engine.planes.ready)),
        ]
        m.d.comb += [planes.select.eq(sequencer.urgent), scales.select.eq(sequencer.urgent)]
        wiring.connect(m, scales.o, engine.scales)
        m.d.comb += [scales.used.eq(engine.scales_used), engine.scales_forget.eq(scales.turned)]
        wiring.connect(m, program.o, sequencer.program)
        m.d.comb += [program.drop.eq(sequencer.drop), sequencer.empty.eq(program.empty)]
        self._count(m, sequencer, engine, vector, mover)
        return m

    def _receive(self, m, local, sram, readers, sequencer):
        """Every data flit for this node sinks at once."""
        flit = local.payload
        run = data.View(RunLayout, flit.payload[:RunLayout.size])
        m.d.comb += local.ready.eq(1)
        for reader in readers:
            for kind, fill in zip(reader.kinds, reader.fill, strict=True):
                m.d.comb += [fill.valid.eq(local.valid & (flit.kind == kind)), fill.payload.eq(flit.payload)]
        store = Signal()
        m.d.comb += store.eq(local.valid & (flit.kind == DataKind.STORE))
        m.d.sync += [sram.rx.en.eq(store), sram.rx.addr.eq(flit.addr), sram.rx.data.eq(flit.payload),
                     sram.rx.mask.eq(flit.mask), sequencer.arrived.eq(store << flit.tag)]
        told = sequencer.told
        m.d.comb += [told.valid.eq(local.valid & (flit.kind == DataKind.CONTEXT)), told.payload.context.eq(flit.addr),
                     told.payload.registers.eq(flit.payload)]

        program = readers[2].command[0]
        command = program.payload
        index = Signal(8)
        pending = Signal(2)
        base, offset = Signal(32), Signal(32)
        m.d.comb += index.eq(self.y * self.config.width + self.x)
        m.d.sync += pending.eq(pending << 1)
        with m.If(local.valid & (flit.kind == DataKind.RUN)):
            m.d.sync += [base.eq(run.base), offset.eq(index << run.slot_log2), pending.eq(1),
                         command.words.eq(run.words)]
            if self.config.coded:
                m.d.sync += sequencer.set.eq(run.set)
        m.d.sync += [command.addr.eq(base + offset), sequencer.start.eq(pending[1])]
        m.d.comb += [command.channel.eq(self.y), program.valid.eq(pending[1])]

    def _issue(self, m, sequencer, engine, vector, candidates, mover, planes, scales):
        """Instruction fields to the units' commands."""
        instruction, issue = sequencer.instruction, sequencer.issue
        head = instruction.head
        gemv = data.View(GemvLayout, instruction.rest)
        vec = data.View(VecLayout, instruction.rest)
        send = data.View(SendLayout, instruction.rest)
        mem = data.View(MemLayout, instruction.rest)

        def copy(target, source, names):
            return [target[name].eq(source[name]) for name in names]

        command = engine.command.payload
        m.d.comb += copy(command, gemv, [name for name in command.shape().members if name in dict(isa.GEMV)])
        m.d.comb += [
            command.act.eq(head.a), command.out.eq(head.d),
            command.rows.eq(Mux(gemv.n_is_groups, gemv.rows, instruction.n)),
            command.groups.eq(Mux(gemv.n_is_groups, instruction.n, gemv.groups)),
        ]
        command = vector.command.payload
        m.d.comb += copy(command, vec, [name for name in command.shape().members if name in dict(isa.VEC)])
        m.d.comb += [*copy(command, head, "abd"), command.n.eq(instruction.n)]
        m.d.comb += [vector.scalar_index.eq(mem.s), mover.scalar.eq(vector.scalar)]
        command = candidates.command.payload
        m.d.comb += [*copy(command, head, ("a", "context")), command.n.eq(instruction.n),
                     *copy(command, mem, ("index", "reset"))]
        m.d.comb += [candidates.context.eq(mover.context), candidates.select.eq(mover.select),
                     mover.candidate.eq(candidates.candidate)]
        command = mover.command.payload
        m.d.comb += [
            command.op.eq(head.op), *copy(command, head, ("context", "tag", "a", "d")), command.n.eq(instruction.n),
            *copy(command, instruction, ("addr", "index")), *copy(command, mem, ("channel", "wide")),
            *copy(command, send, ("mode", "x", "y")),
        ]
        units = {Unit.ENGINE: engine, Unit.VECTOR: vector, Unit.CANDIDATES: candidates, Unit.MOVER: mover}
        commands = {unit: component.command for unit, component in units.items()}
        for stream in isa.Stream:
            reader, urgent = (planes, scales)[stream & 1], stream >> 1
            command = commands[Unit.STREAMS + stream] = reader.command[urgent]
            m.d.comb += [command.payload.channel.eq(mem.channel), command.payload.addr.eq(instruction.addr),
                         command.payload.words.eq(instruction.n)]
        for unit, command in commands.items():
            m.d.comb += [command.valid.eq(issue[unit]), sequencer.accept[unit].eq(command.ready)]
        for unit, component in units.items():
            m.d.comb += sequencer.busy[unit].eq(component.busy)

    def _count(self, m, sequencer, engine, vector, mover):
        """Counters of the run: engine busy, waiting for weights, waiting for activations, cycles; `isa.Flag`."""
        events = (engine.busy, engine.waiting_planes | engine.waiting_scales, engine.waiting_activations, Const(1))
        counts = [Signal(32, name=f"count{i}") for i in range(ELEMENTS)]
        errors = Signal(8)
        for count, event in zip(counts, events, strict=True):
            with m.If(sequencer.start):
                m.d.sync += count.eq(0)
            with m.Elif(sequencer.running):
                m.d.sync += count.eq(count + event)
        with m.If(sequencer.start):
            m.d.sync += errors.eq(0)
        with m.Else():
            m.d.sync += errors.eq(errors | Mux(engine.nonfinite, isa.Flag.NONFINITE, 0)
                                  | Mux(vector.saturated, isa.Flag.SATURATED, 0))
        m.d.comb += [mover.counters.eq(Cat(counts)), mover.errors.eq(errors)]
