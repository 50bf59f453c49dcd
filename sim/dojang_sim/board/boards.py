"""The boards, simulated: the memory is at the FPGA's pins (SDR), or behind LiteDRAM's DFI (DDR3)."""

import tempfile
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import dojang_fpga
import numpy as np
from amaranth.hdl import IOPort
from dojang_fpga.boards import Board
from dojang_fpga.memory import core
from dojang_fpga.top import BoardTop
from dojang_hdl.blackbox import BlackBox
from dojang_hdl.config import ChipConfig
from dojang_hdl.node.node import Node, NodePorts

from .build import Design, build_pins
from .memory import DDR3_SOURCES, SDR_SOURCES
from .pins import Chip, Wiring
from .simulation import RunningPins, Traffic

__all__ = ["BoardSimulation", "board_design", "pin_clock_hz"]

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
        origins=_origins(),
        key=(config, board.baud(baud), *(metadata.version(name) for name in ("litedram", "amaranth-boards"))))


def pin_clock_hz(board: Board) -> int:
    """Frequency of the model's clock pin: that of the fastest clock of the board's PLL in the simulation."""
    return board.clock_hz * (board.dram.sdr_rate if board.dram.kind == "sdr" else 1)


def _origins() -> tuple[Path, ...]:
    """What a top is made from, without what builds and reports."""
    root = Path(dojang_fpga.__file__).parent
    return tuple(sorted((*root.glob("boards/*.py"), *root.glob("memory/**/*.py"),
                         *(root / f"{name}.py" for name in ("top", "system", "status_leds")))))


class BoardSimulation:
    """A board that runs; a context manager that stops it.

    Parameters
    ----------
    board, config, baud: as for the bitstream.
    contents: file of the memory's size that is the memory, by word address; an empty one of its own without.
    on_build: is called if the simulation is not in the cache.

    Members
    -------
    port: path of the serial port.
    memory: uint8 array, the memory's bytes as they are at any time; may be written.

    Raises
    ------
    ToolchainError: it cannot be built, or has failed; a memory that was not treated by its rules fails.
    """

    def __init__(self, board: Board, config: ChipConfig, baud: int | None = None, contents: Path | None = None,
                 on_build: Callable[[], None] = lambda: None):
        self._board = board
        executable = build_pins(board_design(board, config, baud), on_build)
        self._folder = tempfile.TemporaryDirectory(prefix="dojang-")
        if contents is None:
            contents = Path(self._folder.name) / "memory.bin"
            with open(contents, "wb") as file:
                file.truncate(board.dram.mib << 20)
        self.memory = np.memmap(contents, np.uint8, "r+")
        self._pins = RunningPins(executable, pin_clock_hz(board), (contents,))
        self.port = self._pins.port

    def stop(self) -> Traffic:
        """End the simulation. May be called twice."""
        try:
            return self._pins.stop()
        finally:
            self._folder.cleanup()

    def lit(self, traffic: Traffic) -> set[str]:
        """Which of `dojang_fpga.boards.LED_STATES` some LED showed at the end."""
        leds = self._board.pins(self._board.make_platform()).leds
        return {state for number, (port, states) in enumerate(leds) for state in states
                if traffic.leds >> number & 1 != port.invert[0]}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


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
