"""From a board's top to its bitstream."""

from .bitstream import Bitstream, build
from .netlist import Netlist, netlist

__all__ = ["Bitstream", "Netlist", "build", "netlist"]
