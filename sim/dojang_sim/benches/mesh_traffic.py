"""Random traffic for a mesh of routers and the scoreboard that checks its delivery; independent of the simulator."""

import random
from collections import defaultdict, deque

from dojang_hdl.isa import Mode
from dojang_hdl.mesh.flit import DataFlit, DataKind, RequestFlit, RequestKind

from ..routes import MODES, Packet, destinations

__all__ = ["Scoreboard", "random_traffic"]

SERIAL_BITS = 32


def random_traffic(network: str, width: int, height: int, count: int, rng: random.Random) -> dict[str, list]:
    """``count`` flits for every input of a `RouterMesh`, as {port: [(packet, flit bits)]}.

    The payload's low half names the port and the flit's number, everything that does not steer the flit is random.
    """
    ports = [f"local_i{node}" for node in range(width * height)]
    if network == "data":
        ports += [f"edge_i{row}" for row in range(height)]
    traffic = {}
    for index, port in enumerate(ports):
        traffic[port] = []
        for serial in range(count):
            payload = rng.getrandbits(64) << 64 | index << SERIAL_BITS | serial
            x, y = rng.randrange(width), rng.randrange(height)
            if network == "data":
                packet = Packet(rng.choice(MODES), x, y)
                flit = DataFlit.const({
                    "mode": Mode[packet.mode], "x": x, "y": y, "kind": rng.choice(list(DataKind)),
                    "tag": rng.randrange(4), "addr": rng.getrandbits(16), "mask": rng.getrandbits(4),
                    "payload": payload})
            else:
                packet = Packet("UNICAST", 0, y)
                flit = RequestFlit.const({
                    "row": y, "x": rng.randrange(16), "y": rng.randrange(16), "kind": rng.choice(list(RequestKind)),
                    "addr": rng.getrandbits(32), "length": rng.getrandbits(9), "reply": rng.choice(list(DataKind)),
                    "reply_addr": rng.getrandbits(16), "tag": rng.randrange(4), "mask": rng.getrandbits(16),
                    "payload": payload})
            traffic[port].append((packet, flit.as_bits()))
    return traffic


class Scoreboard:
    """Every flit must reach exactly its destinations, unchanged, and in order between any two ports."""

    def __init__(self, network: str, width: int, height: int, traffic: dict[str, list]):
        self._network, self._width = network, width
        self._ports = list(traffic)
        self._expected: dict[tuple[str, str], deque] = defaultdict(deque)
        flit = DataFlit if network == "data" else RequestFlit
        self._payload_at = flit["payload"].offset
        self._routers_own = 1 << flit["more"].offset
        for port, flits in traffic.items():
            injection, number = port.split("_i")
            source = (0, int(number)) if injection == "edge" else (int(number) % width, int(number) // width)
            for packet, bits in flits:
                for target in self._targets((width, height), source, "edge" if injection == "edge" else "send", packet):
                    self._expected[target, port].append(bits)
        self.outstanding = sum(map(len, self._expected.values()))

    def _targets(self, size, source, injection, packet):
        if self._network == "request":
            return [f"edge_o{packet.y}"]
        return [f"local_o{y * self._width + x}" for x, y in destinations(size, source, injection, packet)]

    def received(self, port: str, bits: int) -> None:
        """A flit left the mesh through ``port``."""
        bits &= ~self._routers_own
        index = bits >> self._payload_at + SERIAL_BITS & (1 << SERIAL_BITS) - 1
        assert index < len(self._ports), f"{port}: a flit nobody sent: {bits:#x}"
        source = self._ports[index]
        queue = self._expected[port, source]
        assert queue, f"{port}: a flit from {source} too much: {bits:#x}"
        expected = queue.popleft()
        assert bits == expected, f"{port}: from {source} came {bits:#x}, expected {expected:#x}"
        self.outstanding -= 1
