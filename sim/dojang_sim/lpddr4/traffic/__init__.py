"""Traffic on a memory port under Verilator: every word compared, cycles counted."""

from .patterns import PATTERNS, Operation, Order, Pattern, Stream
from .run import TrafficError, TrafficResult, build_traffic, run_traffic

__all__ = ["PATTERNS", "Operation", "Order", "Pattern", "Stream", "TrafficError", "TrafficResult", "build_traffic",
           "run_traffic"]
