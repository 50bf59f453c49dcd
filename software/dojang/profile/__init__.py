"""Where the cycles of a pass go, from what the simulated chip has recorded of it."""

from .errors import ProfileError
from .passes import Pass
from .run import run_profiled
from .totals import totals
from .trace import trace_events

__all__ = ["Pass", "ProfileError", "run_profiled", "totals", "trace_events"]
