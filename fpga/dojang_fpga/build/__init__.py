"""From a board's top to its bitstream."""

from .bitstream import Bitstream, build
from .netlist import Netlist, netlist
from .synthesis import Synthesis, synthesise

__all__ = ["Bitstream", "Netlist", "Synthesis", "build", "netlist", "synthesise"]
