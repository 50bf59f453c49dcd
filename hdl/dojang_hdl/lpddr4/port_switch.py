"""Whose burst it is, on a channel of two ports."""

from amaranth.hdl import Module
from amaranth.lib import data, fifo, wiring
from amaranth.lib.wiring import In, Out

from .phy import BEAT_BITS
from .read_buffer import IN_FLIGHT
from .scheduler import Sent
from .timing import Lpddr4Config

__all__ = ["PortSwitch"]


class PortSwitch(wiring.Component):
    """Between scheduler and PHY on one side and the buffers of two ports on the other. Combinational.

    A burst is one cycle of data. Mode registers that are read are the first port's.

    Members
    -------
    sent, second: what leaves; its bank is the second port's. ``of_port``: the same, of each port.
    arrived: the PHY's ``read_valid``. ``arrived_of``: of each port.
    write, mask, write_valid: from the write buffer of each port; ``data``, ``masks``, ``valid``: to the PHY.
    """

    def __init__(self, config: Lpddr4Config):
        beats = data.ArrayLayout(BEAT_BITS, 2 * config.ratio)
        masks = data.ArrayLayout(2, 2 * config.ratio)
        super().__init__({
            "sent": In(Sent), "second": In(1), "of_port": Out(Sent).array(2),
            "arrived": In(1), "arrived_of": Out(2),
            "write": In(beats).array(2), "mask": In(masks).array(2), "write_valid": In(2),
            "data": Out(beats), "masks": Out(masks), "valid": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.owners = owners = fifo.SyncFIFO(width=1, depth=IN_FLIGHT)
        second = self.second & ~self.sent.register
        m.d.comb += [owners.w_en.eq(self.sent.read), owners.w_data.eq(second), owners.r_en.eq(self.arrived)]
        for port, (sent, chosen) in enumerate(zip(self.of_port, (~second, second), strict=True)):
            m.d.comb += [
                sent.eq(self.sent), sent.read.eq(self.sent.read & chosen), sent.write.eq(self.sent.write & chosen),
                self.arrived_of[port].eq(self.arrived & (owners.r_data == port)),
            ]
        m.d.comb += [self.valid.eq(self.write_valid.any()), self.data.eq(self.write[0]), self.masks.eq(self.mask[0])]
        with m.If(self.write_valid[1]):
            m.d.comb += [self.data.eq(self.write[1]), self.masks.eq(self.mask[1])]
        return m
