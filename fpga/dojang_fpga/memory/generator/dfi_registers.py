"""Registers between LiteDRAM's controller and its PHY."""

# pyright: reportOperatorIssue=false
# A migen module's comb, sync and submodules come into being when they are used.
import copy

from litedram.phy.dfi import Interface
from migen import Module

__all__ = ["DfiRegisters"]

FROM_PHY = ("rddata", "rddata_valid")


class DfiRegisters(Module):
    """``phy``, whose outputs get what was given to them a cycle before: the pins are far from the controller, and the
    output registers of a half-rate PHY wait for half a core clock only.
    """

    def __init__(self, phy, geometry):
        self.settings = settings = copy.copy(phy.settings)
        settings.read_latency += 1
        self.dfi = Interface(geometry.addressbits, geometry.bankbits, settings.nranks, settings.dfi_databits,
                             settings.nphases)
        for ours, theirs in zip(self.dfi.phases, phy.dfi.phases, strict=True):
            for name, *_ in ours.layout:
                if name in FROM_PHY:
                    self.comb += getattr(ours, name).eq(getattr(theirs, name))
                else:
                    register = getattr(theirs, name)
                    # The controller's own default, RESET_N, comes at once: a short reset would be none.
                    register.reset = 1 if name == "reset_n" else getattr(ours, name).reset
                    self.sync += register.eq(getattr(ours, name))
