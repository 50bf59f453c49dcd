"""A node's SRAM: two banks of 128-bit words, each with two read ports and one write port."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from ..block_memory import BlockMemory
from ..config import WORD_BITS, ChipConfig
from ..sram_port import SramRead, SramWrite

__all__ = ["Sram"]

BANK_BIT = 15


class Sram(wiring.Component):
    """LOCAL (addresses from 0) is written by the node's own units, RX (from 0x8000) by the data network.

    Addresses wrap at the bank's size. A read of a word written in the same cycle is undefined (see `BlockMemory`).

    Members
    -------
    read: two read ports, reaching both banks.
    local, rx: write ports of the two banks (their bank bit is ignored).
    """

    read: In(SramRead()).array(2)
    local: In(SramWrite())
    rx: In(SramWrite())

    def __init__(self, config: ChipConfig):
        self._words = config.sram_words
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        banks = []
        for name in ("local", "rx"):
            m.submodules[name] = bank = BlockMemory(WORD_BITS, self._words, readers=len(self.read), granule=32)
            banks.append(bank)
            port = getattr(self, name)
            m.d.comb += [bank.write.addr.eq(port.addr), bank.write.data.eq(port.data),
                         bank.write.en.eq(Mux(port.en, port.mask, 0))]
        for index, port in enumerate(self.read):
            local, rx = (bank.read[index] for bank in banks)
            bank_select = Signal()
            m.d.comb += [local.en.eq(1), rx.en.eq(1), local.addr.eq(port.addr), rx.addr.eq(port.addr)]
            m.d.sync += [bank_select.eq(port.addr[BANK_BIT]), port.data.eq(Mux(bank_select, rx.data, local.data))]
        return m
