import pytest
from dojang_sim.routes import MODES, Packet, dependencies, destinations, find_cycle

SIZES = [(width, height) for width in range(1, 9) for height in range(1, 9)]


def test_no_mesh_can_deadlock():
    for width, height in SIZES:
        assert find_cycle(dependencies(width, height)) is None, f"{width}x{height}"


def test_a_cycle_is_found():
    assert find_cycle({1: {2}, 2: {3}, 3: {4, 2}, 4: set()}) == [2, 3]
    assert find_cycle({1: {1}}) == [1]
    assert find_cycle({1: {2, 3}, 2: {4}, 3: {4}, 4: set()}) is None


def test_one_more_turn_would_deadlock():
    """The check has teeth: with flits that turn from a column into a row the data network has a cycle."""
    graph = dependencies(2, 2)
    graph["data", (0, 0), "south"].add(("data", (0, 1), "east"))
    graph["data", (1, 1), "north"].add(("data", (1, 0), "west"))
    assert find_cycle(graph) is not None


@pytest.mark.parametrize(("width", "height"), [(1, 1), (2, 2), (3, 2), (4, 4), (8, 1), (1, 8)])
def test_destinations(width, height):
    """Every mode reaches exactly the nodes its name says, once."""
    nodes = [(x, y) for x in range(width) for y in range(height)]
    for source in nodes:
        for injection in ("send", "edge") if source[0] == 0 else ("send",):
            for mode in MODES:
                for x, y in nodes:
                    column = x if injection == "edge" else source[0]
                    expected = {
                        "UNICAST": [(x, y)], "ROW": [node for node in nodes if node[1] == source[1]],
                        "COLUMN": [node for node in nodes if node[0] == column], "ALL": nodes}[mode]
                    assert sorted(destinations((width, height), source, injection, Packet(mode, x, y))) == expected
