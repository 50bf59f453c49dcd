"""The boards, by name."""

from .board import Board, BoardError, SerialLink
from .butterstick import BUTTERSTICK
from .ecpix5 import ECPIX5
from .orangecrab import ORANGECRAB
from .pins import LED_STATES, Pins
from .ulx3s import ULX3S

__all__ = ["BOARDS", "LED_STATES", "Board", "BoardError", "Pins", "SerialLink", "board"]

BOARDS = {board.name: board for board in (ECPIX5, ORANGECRAB, BUTTERSTICK, ULX3S)}
"""The first one is the reference."""


def board(name: str) -> Board:
    if name not in BOARDS:
        raise BoardError(f"unknown board {name!r}, expected one of {', '.join(BOARDS)}")
    return BOARDS[name]
