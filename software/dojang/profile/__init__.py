"""Where the cycles of a pass go, from what the simulated chip has recorded of it."""

from .errors import ProfileError
from .layer_picture import draw_layer
from .passes import Pass
from .roofline import draw_roofline
from .run import Run, run_profiled
from .totals import figures_of, totals
from .trace import trace_events

__all__ = ["Pass", "ProfileError", "Run", "draw_layer", "draw_roofline", "figures_of", "run_profiled", "totals",
           "trace_events"]
