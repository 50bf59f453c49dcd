"""Who gets how much of a mesh that is asked for more than it has: everybody within a factor of two of the mean."""

import random
from itertools import product

import pytest
from dojang_hdl.isa import Mode
from dojang_hdl.mesh.flit import DataFlit, RequestFlit
from dojang_hdl.mesh.router import DataRouter, RequestRouter
from dojang_sim.mesh.load import build_mesh, run_mesh

SIZES = [(8, 1), (1, 8), (2, 7), (4, 4), (8, 4), (8, 8)]
ON_THE_WAY = 3
"""Flits that a router holds of one way: two in the input, one in the output."""


@pytest.fixture(scope="module")
def requests():
    """A router that knows of 8 × 8 nodes serves smaller meshes as well: where nobody is, nobody asks."""
    return build_mesh(RequestRouter(8, 8))


def load(program, size, senders, stall=0.0, share=0.5):
    """Run long enough to tell shares; check of the senders, and the wait.

    Returns the flits that each sender got rid of.
    """
    ports = len(senders)
    warmup = 20 * ports + 200
    arrivals = run_mesh(program, *size, senders, cycles=warmup + 60 * ports, warmup=warmup, stall=stall)
    flits = dict.fromkeys(senders, 0)
    for (_, sender), of in arrivals.items():
        flits[sender] += of.flits
    wait = max(of.wait for of in arrivals.values())
    # Its sender's flits before it leave one a round, in which every sender has one. Outputs that stall at random move
    # fewer flits for a while than on average.
    bound = (ON_THE_WAY * (sum(size) - 1) + 1) * ports / (1 - stall) * (1.5 if stall else 1)
    assert wait <= bound, f"a flit waited {wait} cycles, expected at most {bound}"
    mean = sum(flits.values()) / ports
    for sender, count in flits.items():
        assert share * mean <= count <= mean / share, f"sender {sender} moved {count} flits, the mean is {mean:.1f}"
    return flits


def asking(size, row, nodes=None):
    """READs of ``nodes`` (all without) for the edge of ``row``, or in turn for those of the rows ``row(x, y)``."""
    width, height = size
    rows = row if callable(row) else lambda x, y: [row]
    return {node: [RequestFlit.const({"row": row, "x": node % width, "y": node // width}).as_bits()
                   for row in rows(node % width, node // width)]
            for node in (range(width * height) if nodes is None else nodes)}


@pytest.mark.parametrize("size", SIZES)
def test_all_ask_one_edge(requests, size):
    for row in {0, size[1] // 2, size[1] - 1}:
        flits = load(requests, size, asking(size, row), share=0.9)
        assert sum(flits.values()) == 60 * len(flits), "the edge is never idle"


@pytest.mark.slow
def test_all_ask_one_edge_in_every_mesh(requests):
    for size in product(range(1, 9), repeat=2):
        for row in range(size[1]):
            load(requests, size, asking(size, row))


@pytest.mark.parametrize("stall", [0, 0.5])
@pytest.mark.parametrize("size", SIZES)
def test_some_ask_one_edge(requests, size, stall):
    rng = random.Random(repr(size))
    for _ in range(5):
        nodes = rng.sample(range(size[0] * size[1]), rng.randint(2, size[0] * size[1]))
        row = rng.randrange(size[1])
        load(requests, size, asking(size, row, nodes), stall)


@pytest.mark.parametrize("stall", [0, 0.5])
@pytest.mark.parametrize("rows", ["its own", "the opposite", "all, each another first", "any"])
@pytest.mark.parametrize("size", [(1, 8), (4, 4), (8, 8)])
def test_all_edges_are_asked(requests, size, rows, stall):
    height, rng = size[1], random.Random(rows)
    load(requests, size, asking(size, {
        "its own": lambda x, y: [y],
        "the opposite": lambda x, y: [height - 1 - y],
        "all, each another first": lambda x, y: [(y + step) % height for step in range(height)],
        "any": lambda x, y: rng.choices(range(height), k=997),
    }[rows]), stall, share=0.4 if stall else 0.5)   # edges that stall at random hold up those who ask others


def test_a_link_shared_with_those_who_go_on(requests):
    """Node (0, 0) has an edge for itself, and comes first on each link of the others: this must not help them."""
    size = (8, 8)
    rows = {(0, 0): [7], (0, 1): [1] * 300 + [4] * 8000}   # the second joins late
    senders = asking(size, lambda x, y: rows.get((x, y), [4]))
    arrivals = run_mesh(requests, *size, senders, cycles=8000, warmup=1000)
    flits = [of.flits for (edge, _), of in arrivals.items() if edge == 64 + 4]
    assert len(flits) == 63
    assert max(flits) <= 2 * sum(flits) / 63


def sending(size, mode, x=0, y=0):
    return {node: [DataFlit.const({"mode": mode, "x": x, "y": y}).as_bits()] for node in range(size[0] * size[1])}


@pytest.mark.parametrize("stall", [pytest.param(0, marks=pytest.mark.slow), 0.5])
@pytest.mark.parametrize("size", [(4, 4), pytest.param((8, 8), marks=pytest.mark.slow)])
def test_all_send_to_all(size, stall):
    """Also to the one who reads memory meanwhile: an edge counts as one more sender."""
    program, (width, height) = build_mesh(DataRouter(*size)), size
    load(program, size, sending(size, Mode.ALL), stall)
    load(program, size, sending(size, Mode.UNICAST, width // 2, height // 2), stall)
    nodes = width * height
    edges = {nodes + row: [DataFlit.const({"mode": Mode.UNICAST, "x": width - 1, "y": row}).as_bits()]
             for row in range(height)}
    senders = sending(size, Mode.ALL) | edges
    arrivals = run_mesh(program, *size, senders, cycles=80 * nodes, warmup=20 * nodes, stall=stall)
    replies = [of.flits for (_, sender), of in arrivals.items() if sender >= nodes]
    most = max(of.flits for (_, sender), of in arrivals.items() if sender < nodes)
    assert len(replies) == height
    assert min(replies) >= most / 2
