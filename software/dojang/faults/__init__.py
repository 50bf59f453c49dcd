"""Faults of a guarded LPDDR4 channel: made on purpose, and what becomes of them."""

from .campaign import Outcome, Trial, campaign, try_fault
from .kinds import KINDS, Fault, Kind
from .memory import MEMORY, GuardedImage

__all__ = ["KINDS", "MEMORY", "Fault", "GuardedImage", "Kind", "Outcome", "Trial", "campaign", "try_fault"]
