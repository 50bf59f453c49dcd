"""Routing rules of the two networks as plain functions, and the channel-dependency graph built from them.

Written from docs/reference/mesh.md, independent of the RTL. A channel is (network, node, port): the link that leaves
``node`` through ``port`` (north, east, south, west, local), or one that injects: "send" from the node itself, "edge"
from the west edge of the node's row.
"""

from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["MODES", "Packet", "channels", "data_outputs", "dependencies", "destinations", "find_cycle",
           "request_outputs", "step"]

MODES = ("UNICAST", "ROW", "COLUMN", "ALL")
STEPS = {"north": (0, -1), "east": (1, 0), "south": (0, 1), "west": (-1, 0)}
OPPOSITE = {"north": "south", "east": "west", "south": "north", "west": "east"}

Node = tuple[int, int]


@dataclass(frozen=True)
class Packet:
    """What decides the way of a flit. For requests: mode UNICAST and ``y`` the row of the edge."""

    mode: str
    x: int = 0
    y: int = 0


def data_outputs(size: Node, node: Node, source: str, packet: Packet) -> set[str]:
    """Outputs of a flit that entered the data router of ``node`` through ``source`` ("west" also for an edge)."""
    x, y = node
    outputs: set[str] = set()
    horizontal = source in ("east", "west", "local")
    if packet.mode == "UNICAST":
        if horizontal and packet.x != x:
            outputs.add("east" if packet.x > x else "west")
        else:
            outputs.add("local" if packet.y == y else "south" if packet.y > y else "north")
    elif packet.mode == "COLUMN" and source in ("east", "west") and packet.x != x:
        outputs.add("east" if packet.x > x else "west")
    else:
        outputs.add("local")
        if packet.mode in ("ROW", "ALL") and horizontal:
            outputs |= {"east", "west"}
        if packet.mode in ("COLUMN", "ALL"):
            outputs |= {"north", "south"}
    outputs.discard(source if source != "local" else "")   # never back where it came from
    return {port for port in outputs if port == "local" or step(size, node, port) is not None}


def request_outputs(size: Node, node: Node, source: str, packet: Packet) -> set[str]:
    """Outputs of a flit that entered the request router of ``node`` through ``source``."""
    if packet.y == node[1]:
        return {"west"}
    port = "south" if packet.y > node[1] else "north"
    return {port} if step(size, node, port) is not None else set()


def step(size: Node, node: Node, port: str) -> Node | None:
    """The neighbour of ``node`` at ``port``; None beyond the border."""
    x, y = node[0] + STEPS[port][0], node[1] + STEPS[port][1]
    return (x, y) if 0 <= x < size[0] and 0 <= y < size[1] else None


def channels(network: str, size: Node, source: Node, injection: str, packet: Packet) -> Iterator[tuple]:
    """All (channel held, channel wanted) pairs on the way of one packet; a packet that ends wants None."""
    outputs = data_outputs if network == "data" else request_outputs
    waiting = [((network, source, injection), source, "west" if injection == "edge" else "local")]
    while waiting:
        held, node, port = waiting.pop()
        for output in outputs(size, node, port, packet):
            wanted = (network, node, output)
            yield held, wanted
            neighbour = None if output == "local" else step(size, node, output)
            if neighbour is None:
                yield wanted, None
            else:
                waiting.append((wanted, neighbour, OPPOSITE[output]))


def destinations(size: Node, source: Node, injection: str, packet: Packet) -> list[Node]:
    """Nodes that receive a data flit, in no order, with repetitions if there were any."""
    return [wanted[1] for _, wanted in channels("data", size, source, injection, packet)
            if wanted is not None and wanted[2] == "local"]


def dependencies(width: int, height: int) -> dict[tuple, set]:
    """The channel-dependency graph of both networks together.

    Every node sends every mode to every node and requests to every row; every edge injects flits of every mode (memory
    replies, and at row 0 the host's). A request at its edge waits for the injection of replies there.
    """
    size = (width, height)
    nodes = [(x, y) for x in range(width) for y in range(height)]
    packets = [Packet("ROW"), Packet("ALL"), *(Packet("COLUMN", x) for x in range(width))]
    packets += [Packet("UNICAST", x, y) for x, y in nodes]
    graph: dict[tuple, set] = {}
    for node in nodes:
        ways = [("data", "send", packet) for packet in packets]
        ways += [("data", "edge", packet) for packet in packets if node[0] == 0]
        ways += [("request", "send", Packet("UNICAST", 0, row)) for row in range(height)]
        for network, injection, packet in ways:
            for held, wanted in channels(network, size, node, injection, packet):
                graph.setdefault(held, set())
                if wanted is not None:
                    graph[held].add(wanted)
    for row in range(height):
        graph["request", (0, row), "west"].add(("data", (0, row), "edge"))
    return graph


def find_cycle(graph: dict[tuple, set]) -> list | None:
    """A cycle of the graph as a list of channels, or None if it has none."""
    done: set = set()
    for start in graph:
        if start in done:
            continue
        path, position, pending = [start], {start: 0}, [iter(graph[start])]
        while pending:
            following = next(pending[-1], None)
            if following is None:
                done.add(path[-1])
                del position[path.pop()]
                pending.pop()
            elif following in position:
                return path[position[following]:]
            elif following not in done:
                position[following] = len(path)
                path.append(following)
                pending.append(iter(graph[following]))
    return None
