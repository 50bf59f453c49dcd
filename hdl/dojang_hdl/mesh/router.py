"""Routers of the two networks: one implementation, two routing rules. See docs/reference/mesh.md."""

from abc import abstractmethod

from amaranth.hdl import Cat, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..isa import Mode
from ..streams.multiplex import multiplex
from .flit import DataLink, RequestLink
from .round_arbiter import RoundArbiter
from .router_input import RouterInput

__all__ = ["PORTS", "DataRouter", "RequestRouter"]

PORTS = ("north", "east", "south", "west", "local")


class _Router(wiring.Component):
    """Stage 1: an input that keeps each flit with its route. Stage 2: a fair arbiter and a register per output.

    A flit for several outputs leaves through each as soon as that one is free, and is dropped when all have it.

    Parameters
    ----------
    link: Signature of all streams.
    turns: for each output, the inputs that may use it.
    width, height: size of the mesh. Ports that lead nowhere in a mesh of one column or row are dead and cost nothing.
    """

    latency = 2

    def __init__(self, link, turns: dict[str, tuple[str, ...]], width: int, height: int):
        for name, value in (("width", width), ("height", height)):
            if not 1 <= value <= 16:
                raise ValueError(f"{name}={value}, expected 1 to 16 nodes")
        dead = ("east",) * (width == 1) + ("north", "south") * (height == 1)
        turns = {output: tuple(name for name in sources if name not in dead)
                 for output, sources in turns.items() if output not in dead}
        self._turns = turns
        self._inputs = [name for name in PORTS if any(name in sources for sources in turns.values())]
        self._width, self._height = width, height
        super().__init__({"x": In(4), "y": In(4),
                          **{f"i_{name}": In(link) for name in PORTS}, **{f"o_{name}": Out(link) for name in PORTS}})

    @abstractmethod
    def route(self, source: str, flit) -> dict:
        """The outputs, with their conditions, of a flit that came in through ``source``."""

    def elaborate(self, platform):
        m = Module()
        # A flit whose destination does not exist ends here: its route is empty, so it leaves the buffer at once.
        inside = {"north": self.y != 0, "south": self.y != self._height - 1, "east": self.x != self._width - 1}
        flits, left, more, served = {}, {}, {}, {}
        occupied = []
        for name in self._inputs:
            i = getattr(self, f"i_{name}")
            legal = [output for output, sources in self._turns.items() if name in sources]
            m.submodules[f"{name}_input"] = stage = RouterInput(i.payload.shape(), len(legal))
            wiring.connect(m, wiring.flipped(i), stage.i)
            route = self.route(name, i.payload)
            m.d.comb += stage.route.eq(Cat((route[output] & inside.get(output, 1)) != 0 for output in legal))
            flits[name] = stage.flit
            occupied.append(stage.valid)
            for bit, output in enumerate(legal):
                left[name, output], more[name, output] = stage.left[bit], stage.more[bit]
                served[name, output] = stage.served[bit]
        for output, sources in self._turns.items():
            o = getattr(self, f"o_{output}")
            m.submodules[f"{output}_arbiter"] = arbiter = RoundArbiter(len(sources))
            m.d.comb += [arbiter.request.eq(Cat(left[name, output] for name in sources)),
                         arbiter.more.eq(Cat(more[name, output] for name in sources)),
                         arbiter.advance.eq(~o.valid | o.ready)]
            m.d.comb += [served[name, output].eq(arbiter.grant[bit] & arbiter.advance)
                         for bit, name in enumerate(sources)]
            with m.If(arbiter.advance):
                m.d.sync += o.valid.eq(arbiter.request.any())
                # Many flip-flops wait for this enable: it is made from registers, not from the grants.
                with m.If(Cat(occupied).any()):
                    m.d.sync += [o.payload.eq(multiplex(arbiter.select, [flits[name] for name in sources])),
                                 o.payload.more.eq((arbiter.select & arbiter.more_out).any())]
        return m


class DataRouter(_Router):
    """Router of the data network: along the row first, then along the column; multicast as a tree.

    * UNICAST: to node (x, y).
    * ROW: every node of the sender's row.
    * ALL: every node of the mesh: along the sender's row, forking into each column.
    * COLUMN: every node of the sender's column; injected at a west edge, every node of column ``x``.

    The sender is among the receivers. Flits that come in at the west of column 0 are treated like any flit moving east.
    Order is kept between any two nodes, whatever the modes. A flit to a node that does not exist disappears.

    Members
    -------
    x, y: position of this node; row 0 is the north one.
    i_north, i_east, i_south, i_west, i_local, o_north, o_east, o_south, o_west, o_local: `DataLink`.
    """

    def __init__(self, width: int, height: int):
        super().__init__(DataLink(), {
            "north": ("south", "west", "east", "local"),
            "south": ("north", "west", "east", "local"),
            "east": ("west", "local"),
            **({"west": ("east", "local")} if width > 1 else {}),   # no data leave the mesh
            "local": ("north", "south", "west", "east", "local"),
        }, width, height)

    def route(self, source, flit):
        unicast, row, column, everywhere = (flit.mode == mode for mode in
                                            (Mode.UNICAST, Mode.ROW, Mode.COLUMN, Mode.ALL))
        north, south = unicast & (flit.y < self.y), unicast & (flit.y > self.y)
        here = unicast & (flit.y == self.y)
        if source in ("north", "south"):   # in its column already
            tree = column | everywhere
            return {"north": north | tree, "south": south | tree, "local": here | tree}
        in_column = flit.x == self.x
        # The sender's own COLUMN flits start in their column; those of an edge have to travel there first.
        tree = everywhere | column & (1 if source == "local" else in_column)
        aimed = unicast if source == "local" else unicast | column
        return {
            "east": row | everywhere | aimed & (flit.x > self.x),
            "west": (row | everywhere | aimed & (flit.x < self.x)) & (self.x != 0),
            "north": north & in_column | tree,
            "south": south & in_column | tree,
            "local": here & in_column | row | tree,
        }


class RequestRouter(_Router):
    """Router of the request network: along the column to ``row``, then west, leaving the mesh at the west of column 0.

    Order is kept from a node to an edge. A flit to a row that does not exist disappears.

    Members
    -------
    x, y: position of this node; row 0 is the north one.
    i_north, i_east, i_south, i_west, i_local, o_north, o_east, o_south, o_west, o_local: `RequestLink`.
        Nothing moves east or ends at a node: i_west is never ready, o_east and o_local are never valid.
    """

    def __init__(self, width: int, height: int):
        super().__init__(RequestLink(), {
            "north": ("south", "local"),
            "south": ("north", "local"),
            "west": ("east", "north", "south", "local"),
        }, width, height)

    def route(self, source, flit):
        return {"north": flit.row < self.y, "south": flit.row > self.y, "west": flit.row == self.y}
