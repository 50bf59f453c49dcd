"""The chip: a mesh of nodes, a memory channel at the west edge of each row, and the host bridge."""

from amaranth.hdl import Cat, ClockDomain, ClockSignal, DomainRenamer, Module, ResetSignal, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from .config import ChipConfig
from .counters import CHANNEL_REGISTERS, FIRST_MEMORY_REGISTER, MEMORY_REGISTERS
from .host.bridge import HostBridge
from .memory import MemoryPort, MemoryStatus
from .memory_arbiter import MemoryArbiter
from .mesh.edge import Edge
from .node.node import Node

__all__ = ["Chip"]

class Chip(wiring.Component):
    """Everything between the memory ports and the host's byte stream.

    Parameters
    ----------
    config: the configuration.
    make_node: what stands at each place of the mesh; a black box of the node keeps the netlist small.
    clock_hz: frequency of the clock, which IDENTIFY tells; 0 if unknown.
    spread_reset: called with the module and a reset of nearly all flip-flops; returns what they shall use: on an FPGA
        the same through a global net.

    Members
    -------
    rx, tx: the host link, one byte per transfer.
    room, answering, bad_frame: the host may send, its requests are worked on, one of its frames was dropped
        (`dojang_hdl.host.bridge.HostBridge`).
    memory, status: one port per channel, and what is known of the memory behind it.
    running: a program is being executed.
    """

    def __init__(self, config: ChipConfig, make_node=Node, clock_hz: int = 0, spread_reset=lambda m, reset: reset):
        self.config = config
        self._make_node = make_node
        self._clock_hz, self._spread_reset = clock_hz, spread_reset
        super().__init__({
            "rx": In(stream.Signature(8)),
            "tx": Out(stream.Signature(8)),
            "room": Out(1),
            "answering": Out(1),
            "bad_frame": Out(1),
            "memory": Out(MemoryPort()).array(config.channels),
            "status": Out(MemoryStatus()).array(config.channels),
            "running": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        config = self.config
        m.submodules.host = host = HostBridge(config, clock_hz=self._clock_hz)
        wiring.connect(m, wiring.flipped(self.rx), host.rx)
        wiring.connect(m, host.tx, wiring.flipped(self.tx))
        m.d.comb += [self.running.eq(host.running), self.room.eq(host.room),
                     self.answering.eq(host.answering), self.bad_frame.eq(host.bad_frame)]

        # The host can reset the mesh without losing its own state or the memory's.
        m.domains.mesh = ClockDomain(local=True)
        # A register: it goes to nearly all flip-flops.
        mesh_reset = Signal(init=1, reset_less=True)
        m.d.sync += mesh_reset.eq(ResetSignal() | host.soft_reset)
        m.d.comb += [ClockSignal("mesh").eq(ClockSignal()),
                     ResetSignal("mesh").eq(self._spread_reset(m, mesh_reset))]
        in_mesh = DomainRenamer("mesh")

        nodes = {}
        for y in range(config.height):
            for x in range(config.width):
                node = nodes[x, y] = self._make_node(config)
                m.submodules[f"node_{x}_{y}"] = in_mesh(node)
                m.d.comb += [node.x.eq(x), node.y.eq(y)]
        edges = []
        for y in range(config.height):
            edge = Edge(config)
            m.submodules[f"edge_{y}"] = in_mesh(edge)
            edges.append(edge)
            m.submodules[f"arbiter_{y}"] = arbiter = MemoryArbiter(2)
            wiring.connect(m, edge.memory, arbiter.masters[0])
            wiring.connect(m, host.memory[y], arbiter.masters[1])
            wiring.connect(m, arbiter.memory, wiring.flipped(self.memory[y]))
            status = self.status[y]
            m.d.comb += [edge.enable.eq(host.count_enable), edge.clear.eq(host.count_clear),
                         status.enable.eq(host.count_enable), status.clear.eq(host.count_clear),
                         status.address.eq(host.csr_addr)]
            wiring.connect(m, edge.data, nodes[0, y].data_i_west)
            wiring.connect(m, nodes[0, y].request_o_west, edge.request)
        m.d.comb += [
            host.windows.eq(Cat(status.guarded for status in self.status)),
            host.memory_busy.eq(Cat(status.busy for status in self.status).any()),
            host.memory_error.eq(Cat(status.error for status in self.status).any()),
        ]
        wiring.connect(m, host.control, edges[0].control)
        wiring.connect(m, edges[0].host, host.messages)

        for (x, y), node in nodes.items():
            for dx, dy, there, back in ((1, 0, "east", "west"), (0, 1, "south", "north")):
                if neighbour := nodes.get((x + dx, y + dy)):
                    for network in ("data", "request"):
                        wiring.connect(m, getattr(node, f"{network}_o_{there}"),
                                       getattr(neighbour, f"{network}_i_{back}"))
                        wiring.connect(m, getattr(neighbour, f"{network}_o_{back}"),
                                       getattr(node, f"{network}_i_{there}"))

        registers, address = Signal(32), Signal.like(host.csr_addr)
        m.d.sync += [address.eq(host.csr_addr), host.csr_data.eq(registers)]
        with m.Switch(address):
            for y, edge in enumerate(edges):
                for i, name in enumerate(edge.counters.shape().members):
                    with m.Case(y * CHANNEL_REGISTERS + i):
                        m.d.comb += registers.eq(edge.counters[name])
                first = FIRST_MEMORY_REGISTER + y * MEMORY_REGISTERS
                with m.Case(*range(first, first + MEMORY_REGISTERS)):
                    m.d.comb += registers.eq(self.status[y].data)
        return m
