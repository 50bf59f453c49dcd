"""The boards as designs to simulate: the memory chip at its pins (SDR) or behind LiteDRAM's DFI (DDR3)."""

from importlib import metadata
from pathlib import Path

import dojang_fpga
from amaranth.hdl import IOPort
from dojang_fpga.boards import Board
from dojang_fpga.memory import core
from dojang_fpga.top import BoardTop
from dojang_hdl.blackbox import BlackBox
from dojang_hdl.config import ChipConfig
from dojang_hdl.node.node import Node, NodePorts

from .build import Design
from .memory import DDR3_SOURCES, SDR_SOURCES
from .pins import Chip, Wiring

__all__ = ["board_design", "lit_leds", "pin_clock_hz"]

NODE_MODULE = "dojang_node"


def board_design(board: Board, config: ChipConfig, baud: int | None = None) -> Design:
    """`BoardTop` as it is synthesised; the model of a DDR3 memory is in the LiteDRAM core.

    The nodes, equal except for two constants at their ports, are one module.
    """
    ddr3 = board.dram.kind == "ddr3"

    def top() -> BoardTop:
        return BoardTop(board, config, baud, at_dfi=ddr3, make_node=lambda _: BlackBox(NodePorts(), NODE_MODULE))

    return Design(
        name=f"{board.name}-{config.name}",
        make=lambda: (board.make_platform(), top()),
        parts=lambda: {NODE_MODULE: Node(config)},
        wiring=_wiring(board),
        chips=() if ddr3 else (_sdr_chip(board),),
        models=DDR3_SOURCES if ddr3 else (),
        origins=tuple(sorted(Path(dojang_fpga.__file__).parent.rglob("*.py"))),
        key=(config, board.baud(baud), *(metadata.version(name) for name in ("litedram", "amaranth-boards"))))


def pin_clock_hz(board: Board) -> int:
    """Frequency of the model's clock pin: that of the fastest clock of the board's PLL in the simulation."""
    return board.clock_hz * (board.dram.sdr_rate if board.dram.kind == "sdr" else 1)


def lit_leds(board: Board, levels: int) -> set[str]:
    """Which of `dojang_fpga.boards.LED_STATES` some LED shows, by the levels of the pins (bits in the order of the board's LEDs)."""
    return {state for number, (port, states) in enumerate(board.pins(board.make_platform()).leds) for state in states
            if levels >> number & 1 != port.invert[0]}


def _wiring(board: Board) -> Wiring:
    pins = board.pins(board.make_platform())
    high = [_name(pins.reset)] if pins.reset is not None and pins.reset.invert[0] else []
    high += [_name(pins.rts)] if pins.rts is not None and not pins.rts.invert[0] else []
    return Wiring(_name(pins.clock), _name(pins.rx), _name(pins.tx), tuple(_name(port) for port, _ in pins.leds),
                  tuple(high))


def _sdr_chip(board: Board) -> Chip:
    pads = board.pins(board.make_platform()).memory
    made = core(board.dram, board.clock_hz, board.input_hz)
    return Chip("dojang_sdr_chip", {pad.name: name for name, pad in pads.items()}, SDR_SOURCES,
                {"CHANNEL": 0, "WORDS": board.dram.words, **made.model})


def _name(port) -> str:
    """Of the top's port, or of one bit of it."""
    pad = port.io
    return pad.name if isinstance(pad, IOPort) else f"{pad.value.name}[{pad.start}]"
