"""Block RAM as FPGAs have it."""

from amaranth.hdl import Module
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["BlockMemory"]


class BlockMemory(wiring.Component):
    """A memory with one write port and ``readers`` read ports; a read takes one cycle.

    Reading a word in the cycle in which it is written gives an undefined value (simulators give the old one). For a
    defined one an ECP5 needs a bypass of a look-up table and two flip-flops a bit and port, and nobody asks for it.

    Parameters
    ----------
    width, depth: bits of a word, words.
    granule: bits that a bit of ``write.en`` enables; the whole word by default.

    Members
    -------
    write: en, addr and data.
    read: array of ports; with ``en``, ``data`` in the next cycle is the word at ``addr``, else it stays.
    """

    def __init__(self, width: int, depth: int, readers: int = 1, granule: int | None = None):
        self._width, self._depth, self._granule = width, depth, granule or width
        addr = range(depth)
        super().__init__({
            "write": In(wiring.Signature({"en": Out(width // self._granule), "addr": Out(addr), "data": Out(width)})),
            "read": In(wiring.Signature({"en": Out(1), "addr": Out(addr), "data": In(width)})).array(readers),
        })

    def elaborate(self, platform):
        m = Module()
        # yosys heeds the attribute only where it joins the register to the memory itself.
        m.submodules.memory = words = memory.Memory(shape=self._width, depth=self._depth, init=[],
                                                    attrs={"no_rw_check": 1, "ram_style": "block"})
        write = words.write_port(granularity=self._granule)
        m.d.comb += [write.en.eq(self.write.en), write.addr.eq(self.write.addr), write.data.eq(self.write.data)]
        for port in self.read:
            read = words.read_port(domain="comb")
            m.d.comb += read.addr.eq(port.addr)
            with m.If(port.en):
                m.d.sync += port.data.eq(read.data)
        return m
