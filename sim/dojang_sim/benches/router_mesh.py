"""A mesh of nothing but routers, the device of the router bench."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from dojang_hdl.mesh.flit import DataLink, RequestLink
from dojang_hdl.mesh.router import DataRouter, RequestRouter

__all__ = ["NETWORKS", "RouterMesh"]

NETWORKS = {"data": (DataRouter, DataLink), "request": (RequestRouter, RequestLink)}


class RouterMesh(wiring.Component):
    """Routers of one network, wired as in the chip, and nothing else.

    Members
    -------
    local_i, local_o: streams of node ``y * width + x``.
    edge_i, edge_o: streams at the west of row ``y``.
    """

    def __init__(self, network: str, width: int, height: int, router=None):
        default, link = NETWORKS[network]
        self.network, self.width, self.height = network, width, height
        self._router = router or default
        names = [("local", index) for index in range(width * height)] + [("edge", index) for index in range(height)]
        super().__init__({**{f"{kind}_i{index}": In(link()) for kind, index in names},
                          **{f"{kind}_o{index}": Out(link()) for kind, index in names}})

    def elaborate(self, platform):
        m = Module()
        routers = {}
        for y in range(self.height):
            for x in range(self.width):
                m.submodules[f"router_{x}_{y}"] = router = self._router(self.width, self.height)
                m.d.comb += [router.x.eq(x), router.y.eq(y)]
                routers[x, y] = router
                self._join(m, router, "local", f"{{}}{y * self.width + x}")
            self._join(m, routers[0, y], "west", f"{{}}{y}", "edge")
        for (x, y), router in routers.items():
            for (dx, dy), port, opposite in (((1, 0), "east", "west"), ((0, 1), "south", "north")):
                other = routers.get((x + dx, y + dy))
                if other is not None:
                    wiring.connect(m, getattr(router, f"o_{port}"), getattr(other, f"i_{opposite}"))
                    wiring.connect(m, getattr(other, f"o_{opposite}"), getattr(router, f"i_{port}"))
        return m

    def _join(self, m, router, port, suffix, kind="local"):
        wiring.connect(m, wiring.flipped(getattr(self, f"{kind}_{suffix.format('i')}")), getattr(router, f"i_{port}"))
        wiring.connect(m, getattr(router, f"o_{port}"), wiring.flipped(getattr(self, f"{kind}_{suffix.format('o')}")))
