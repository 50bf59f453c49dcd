"""No hardware has an expression of which the simulator and the netlist disagree; see `dojang_sim.disagreement`."""

import pytest
from amaranth.hdl import Array, Module, Mux, Signal, signed
from dojang_fpga.system import ChipSystem
from dojang_hdl.blackbox import BlackBox
from dojang_hdl.chip import Chip
from dojang_hdl.config import PRESETS
from dojang_hdl.guard.guard import Guard
from dojang_hdl.lpddr4.controller import Controller
from dojang_hdl.lpddr4.timing import Lpddr4Config
from dojang_hdl.memory_arbiter import MemoryArbiter
from dojang_hdl.mesh.request_merge import RequestMerge
from dojang_hdl.mesh.router import DataRouter, RequestRouter
from dojang_hdl.node.node import Node, NodePorts
from dojang_hdl.streams.merge import StreamMerge
from dojang_sim.disagreement import disagreements

EVERY_DAY = ("sim-2x2", "small-node")
"""Coded and plain, everything large and everything at its smallest."""


def black_box(_):
    return BlackBox(NodePorts(), "node")


@pytest.mark.parametrize("config", [
    pytest.param(config, marks=() if config.name in EVERY_DAY else pytest.mark.slow, id=config.name)
    for config in PRESETS.values()])
def test_a_preset_has_none(config):
    assert disagreements(Node(config)) == []
    assert disagreements(Chip(config, black_box)) == []
    if config.channels == 1:
        assert disagreements(ChipSystem(config, 50_000_000, 1_000_000, make_node=black_box)) == []


@pytest.mark.parametrize("create", [
    lambda: Controller(Lpddr4Config(rate=533)), lambda: Guard(128, control_window=True), lambda: MemoryArbiter(1),
    lambda: RequestMerge(1), lambda: StreamMerge(8, 1), lambda: DataRouter(1, 1), lambda: RequestRouter(1, 1)])
def test_a_block_has_none(create):
    assert disagreements(create()) == []


def found(expression, *, choice=None):
    m, o = Module(), Signal(8)
    if choice is None:
        m.d.comb += o.eq(expression)
    else:
        with m.Switch(choice), m.Case(0):
            m.d.comb += o.eq(expression)
    return disagreements(m)


B, U, AT, NONE = Signal(signed(7)), Signal(7), Signal(5), Signal(range(1))


@pytest.mark.parametrize("expression", [
    B.bit_select(AT, 8), B.as_unsigned().bit_select(AT, 8), (~U).bit_select(AT, 1), B.word_select(AT, 2),
    Mux(AT[0], (U - 1).bit_select(AT, 3), 0), 1 + U[:3] * B.bit_select(AT, 1)])
def test_a_part_select_beyond_a_signed_value_is_found(expression):
    line, = found(expression)
    assert line.endswith("bits") and "part select beyond a signed value" in line


def test_a_choice_by_nothing_is_found():
    assert len(found(U, choice=NONE)) == len(found(Array([U, B])[NONE])) == 1


@pytest.mark.parametrize("expression", [U.bit_select(AT, 8), B.bit_select(AT[:2], 4), (~U)[:7].bit_select(AT, 8)])
def test_what_agrees_is_not_found(expression):
    assert found(expression) == []
    assert found(expression, choice=AT) == []
