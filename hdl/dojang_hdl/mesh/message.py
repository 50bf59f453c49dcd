"""What the mesh hands to the host bridge: the HOST requests of the nodes, stripped of their routing."""

from amaranth.lib import data

from ..config import WORD_BITS
from .flit import HostType

__all__ = ["HostMessage"]

HostMessage = data.StructLayout({"x": 4, "y": 4, "type": HostType, "payload": WORD_BITS})
"""(x, y) is the sending node; the payload's meaning depends on `type`."""
