"""Traffic on a memory port under Verilator: every word compared, cycles counted."""

from .patterns import PATTERNS, RANDOM_PHASES, GuardedPhases, Operation, Order, Pattern, Stream
from .run import (
    Poke,
    PortResult,
    Prepared,
    TrafficError,
    TrafficResult,
    build_lpddr4_traffic,
    build_traffic,
    run_traffic,
)

__all__ = ["PATTERNS", "RANDOM_PHASES", "GuardedPhases", "Operation", "Order", "Pattern", "Poke", "PortResult",
           "Prepared", "Stream", "TrafficError", "TrafficResult", "build_lpddr4_traffic", "build_traffic",
           "run_traffic"]
