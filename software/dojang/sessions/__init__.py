"""Sessions: a model on a back end, and the sequences that it processes."""

from .board import BOARD_CONTEXT, BoardSession, open_board
from .opening import open_session
from .row_pool import TILE, RowPool, whole_tiles
from .saturation import saturation_message
from .session import Memory, MemoryFullError, NonfiniteError, Part, Session, SessionError, Step, Waves

__all__ = ["BOARD_CONTEXT", "TILE", "BoardSession", "Memory", "MemoryFullError", "NonfiniteError", "Part", "RowPool",
           "Session", "SessionError", "Step", "Waves", "open_board", "open_session", "saturation_message",
           "whole_tiles"]
