"""Which signals of a chip are shown, in groups, and how."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from dojang_hdl import isa
from dojang_hdl.config import ChipConfig
from dojang_hdl.mesh.flit import DataKind, RequestKind
from dojang_hdl.mesh.requester import Requester
from dojang_hdl.node.instruction import Unit
from dojang_hdl.node.mover import Mover
from dojang_hdl.node.resolver import Resolver
from dojang_hdl.node.sequencer import Sequencer
from dojang_hdl.vector.reduce import Sum

from .formats import DECIMAL, FP16, FP32, HEX, Base, Codes, Floats, codes_of, fsm_states

__all__ = ["CHIP", "Group", "Shown", "chip_groups"]

CHIP = "TOP.chip_top"
"""Where the chip is in the waveform's hierarchy."""

DIRECTIONS = ("north", "east", "south", "west", "local")

Shown = dict[str, Base | Floats | Codes]
"""Signals of a module, by name, and their formats."""


@dataclass(frozen=True)
class Group:
    """Signals by module path, and groups inside the group."""

    name: str
    modules: list[tuple[str, Shown]] = field(default_factory=list)
    groups: list["Group"] = field(default_factory=list)
    closed: bool = False


def chip_groups(config: ChipConfig) -> Iterator[Group]:
    """The clock, then every node with its units, then every memory channel."""
    yield Group("chip", [(CHIP, {"clk": HEX, "running": HEX})])
    for y in range(config.height):
        for x in range(config.width):
            yield _node(config, f"{CHIP}.chip.node_{x}_{y}.instance", f"node {x},{y}", closed=bool(x or y))
    for y in range(config.channels):
        yield _memory(f"{CHIP}.chip.edge_{y}", f"memory {y}", closed=bool(y))


def _stream(name: str, payload: Shown) -> Shown:
    return {f"{name}__valid": HEX, f"{name}__ready": HEX,
            **{f"{name}__payload{'.' if part else ''}{part}": shown for part, shown in payload.items()}}


def _node(config: ChipConfig, path: str, name: str, closed: bool) -> Group:
    resolver = {"fsm_state": fsm_states(Resolver(config)), **_stream("program", {"": HEX}), "o__valid": HEX,
                "o__ready": HEX}
    sequencer = Group("sequencer", [(f"{path}.sequencer.resolver", resolver), (f"{path}.sequencer", {
        "fsm_state": fsm_states(Sequencer(config)), "running": HEX, "instruction.head.op": codes_of(isa.Op),
        "instruction.n": DECIMAL, "instruction.addr": HEX, "instruction.head.a": HEX, "instruction.head.b": HEX,
        "instruction.head.d": HEX, "instruction.head.tag": DECIMAL, "active": codes_of(Unit), "issue": Base("bin"),
        "busy": Base("bin"), "urgent": HEX, "instruction.head.context": DECIMAL})])
    requester = fsm_states(Requester(config.plane_fifo, config.chunk, DataKind.PLANES), "state")
    streams = Group("stream readers", [
        *((f"{path}.{unit}.requester{kind}", {
            "state_state": requester, "requested": DECIMAL, "room": DECIMAL,
            **_stream("request", {"addr": HEX, "length": DECIMAL}),
        }) for unit, kinds in (("planes", 2), ("scales", 2), ("program", 1)) for kind in range(kinds)),
        *((f"{path}.{unit}", {"select": HEX, "o__valid": HEX, "o__ready": HEX})
          for unit in ("planes", "scales", "program"))], closed=True)
    mover = Group("mover", [(f"{path}.mover", {
        "fsm_state": fsm_states(Mover(config)), "busy": HEX, "command.op": codes_of(isa.Op), "command.addr": HEX,
        "command.n": DECIMAL, "command.mode": codes_of(isa.Mode), **_stream("data", {"": HEX})})], closed=True)
    return Group(name, groups=[_router(path), sequencer, _engine(config, path), _vector(path), mover, streams],
                 closed=closed)


def _router(path: str) -> Group:
    data = {"kind": codes_of(DataKind), "mode": codes_of(isa.Mode), "x": DECIMAL, "y": DECIMAL, "addr": HEX,
            "payload": HEX}
    request = {"kind": codes_of(RequestKind), "row": DECIMAL, "addr": HEX, "length": DECIMAL}
    in_data = [Group(f"data from {way}", [(f"{path}.data_router", _stream(f"i_{way}", data))],
                     closed=way not in ("west", "local")) for way in DIRECTIONS]
    out_data = [Group(f"data to {way}", [(f"{path}.data_router", _stream(f"o_{way}", data))], closed=True)
                for way in DIRECTIONS]
    out_request = [Group(f"requests to {way}", [(f"{path}.request_router", _stream(f"o_{way}", request))],
                         closed=way != "west") for way in ("north", "south", "west")]
    return Group("router", groups=[*in_data, *out_data, *out_request], closed=True)


def _engine(config: ChipConfig, path: str) -> Group:
    engine = f"{path}.engine"
    command = {"rows": DECIMAL, "groups": DECIMAL, "bits": DECIMAL, "scale_mode": codes_of(isa.ScaleMode),
               "contexts": DECIMAL, "act": HEX, "out": HEX}
    return Group("engine", [
        (engine, {"busy": HEX, "waiting_planes": HEX, "waiting_scales": HEX, "waiting_activations": HEX,
                  "nonfinite": HEX, **{f"command.{name}": shown for name, shown in command.items()},
                  "planes__valid": HEX, "planes__ready": HEX, "planes__payload": HEX,
                  "scales__valid": HEX, "scales__ready": HEX, "scales__payload": FP16,
                  "sram__addr": HEX, "sram__data": FP32}),
        (f"{engine}.scaler0", {"i_valid": HEX, "dot": Base("signed"), "scale": FP16, "offset": FP16, "o_valid": HEX,
                               "o": FP32}),
        (engine, {"write__en": HEX, "write__addr": HEX, "write__data": FP32}),
    ])


def _vector(path: str) -> Group:
    vector = f"{path}.vector"
    command = {"n": DECIMAL, "mul": codes_of(isa.Mul), "add": codes_of(isa.Add), "fn": codes_of(isa.Fn),
               "mul2": codes_of(isa.Mul2), "round": codes_of(isa.Round), "reduce": codes_of(isa.Reduce),
               "a": HEX, "b": HEX, "d": HEX, "imm0": FP32, "imm1": FP32, "store": HEX, "s_out": DECIMAL}
    beats = {f"beat_{stage}.{part}": HEX if part == "valid" else FP32
             for stage in ("mul", "add", "fn", "mul2", "round", "end") for part in ("valid", "x")}
    return Group("vector unit", [
        (vector, {"busy": HEX, **{f"command.{name}": shown for name, shown in command.items()}, **beats,
                  "write__en": HEX, "write__addr": HEX, "write__data": FP32}),
        (f"{vector}.reducer.sum", {"fsm_state": fsm_states(Sum())}),
        (f"{vector}.reducer", {"write": HEX, "result": FP32}),
    ])


def _memory(path: str, name: str, closed: bool) -> Group:
    counters = {f"counters.{name}": DECIMAL
                for name in ("cycles", "busy", "stalled", "idle", "useful_read", "useful_written")}
    return Group(name, [(path, {
        **_stream("request", {"kind": codes_of(RequestKind), "x": DECIMAL, "y": DECIMAL}),
        **_stream("memory__command", {"write": HEX, "addr": HEX, "length": DECIMAL}),
        **_stream("memory__read", {"": HEX}), **_stream("memory__write", {"data": HEX, "mask": Base("bin")}),
        **counters})], closed=closed)
