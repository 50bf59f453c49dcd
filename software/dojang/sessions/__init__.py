"""Sessions: a model on a back end, position by position."""

from .opening import open_session
from .session import Memory, Session, SessionError, Step, Waves

__all__ = ["Memory", "Session", "SessionError", "Step", "Waves", "open_session"]
