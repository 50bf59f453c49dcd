"""Traffic on a memory port under Verilator: every word compared, cycles counted."""

from .patterns import PATTERNS, RANDOM_PHASES, Operation, Order, Pattern, Stream
from .run import TrafficError, TrafficResult, build_lpddr4_traffic, build_traffic, run_traffic

__all__ = ["PATTERNS", "RANDOM_PHASES", "Operation", "Order", "Pattern", "Stream", "TrafficError", "TrafficResult",
           "build_lpddr4_traffic", "build_traffic", "run_traffic"]
