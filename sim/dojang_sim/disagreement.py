"""Expressions of which Amaranth's simulator (0.5.10) and the netlist disagree: nobody would see the bug in both."""

from collections.abc import Iterator

from amaranth.hdl import Elaboratable, Fragment, Instance, Value
from amaranth.hdl._ast import Assign, Concat, Operator, Part, Print, Property, Slice, Switch, SwitchValue

__all__ = ["disagreements"]


def disagreements(design: Elaboratable, platform=None) -> list[str]:
    """One line, with the place in the source, for each of them in ``design`` and all below it.

    * A part select (`bit_select`, `word_select`) that can reach beyond a value which the simulator may hold as a
      negative number: it finds ones there, the netlist zeros.
    * A choice (`Switch`, index of an `Array`) by a value of no bits: the simulator takes Case(0), the netlist the
      default.
    """
    found, seen = [], set()
    fragments = [Fragment.get(design, platform)]
    while fragments:
        fragment = fragments.pop()
        fragments += [below for below, *_ in fragment.subfragments]
        nodes = [statement for statements in fragment.statements.values() for statement in statements]
        if isinstance(fragment, Instance):
            nodes += [value for value, _ in fragment.ports.values() if isinstance(value, Value)]
        while nodes:
            node = nodes.pop()
            if id(node) in seen:
                continue
            seen.add(id(node))
            nodes += _below(node)
            if isinstance(node, Part) and _may_be_negative(node.value) and _reach(node) > len(node.value):
                found.append(f"{_place(node)}: part select beyond a signed value of {len(node.value)} bits")
            if isinstance(node, (Switch, SwitchValue)) and not len(node.test):
                found.append(f"{_place(node)}: choice by a value of no bits")
    return sorted(found)


def _reach(part: Part) -> int:
    return ((1 << len(part.offset)) - 1) * part.stride + part.width


def _may_be_negative(value: Value) -> bool:
    """The simulator computes with Python's integers, and masks them only where a result is used as an operand."""
    if isinstance(value, Operator) and value.operator == "u":
        return _may_be_negative(value.operands[0])
    return value.shape().signed or (isinstance(value, Operator) and value.operator == "~")


def _below(node) -> Iterator:
    """The statements and values that a statement or value is made of."""
    match node:
        case Assign():
            yield from (node.lhs, node.rhs)
        case Switch():
            yield node.test
            for _, statements, _ in node.cases:
                yield from statements
        case SwitchValue():
            yield node.test
            yield from (value for _, value in node.cases)
        case Operator():
            yield from node.operands
        case Slice():
            yield node.value
        case Part():
            yield from (node.value, node.offset)
        case Concat():
            yield from node.parts
        case Property():
            yield node.test
        case Print():
            pass


def _place(node) -> str:
    return ":".join(map(str, node.src_loc))
