"""Sessions: a model on a back end, position by position."""

from .board import BOARD_CONTEXT, BoardSession, open_board
from .opening import open_session
from .saturation import saturation_message
from .session import Memory, Session, SessionError, Step, Waves

__all__ = ["BOARD_CONTEXT", "BoardSession", "Memory", "Session", "SessionError", "Step", "Waves", "open_board",
           "open_session", "saturation_message"]
