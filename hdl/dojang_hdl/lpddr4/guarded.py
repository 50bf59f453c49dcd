"""An LPDDR4 channel whose contents are guarded."""

from amaranth.hdl import Cat, Const, Module
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..counters import GUARD_COUNTERS, MEMORY_COUNTERS
from ..guard.guard import Guard
from ..memory import MemoryPort, MemoryStatus
from .controller import Controller
from .counters import Counters
from .phy import PhyPort
from .ports import each_port, ports_of
from .timing import Lpddr4Config

__all__ = ["GuardedController", "GuardedCounters"]

GuardedCounters = data.StructLayout(dict.fromkeys((*MEMORY_COUNTERS, *GUARD_COUNTERS), 32))


class GuardedController(wiring.Component):
    """`Guard` in front of each port of a `Controller`, one status for both.

    Parameters
    ----------
    config: the channel.
    tile: words of a tile, the chip's ``chunk``.

    Members
    -------
    port: `MemoryPort`. phy: `PhyPort`. ready: initialisation is over.
    status, counters: the counters of both, read one by one or seen all at once. Of each port, as ``port``; the first
        one has the controller's.
    """

    def __init__(self, config: Lpddr4Config, tile: int):
        self.config, self._tile = config, tile
        super().__init__({
            "port": each_port(config, In(MemoryPort())), "phy": Out(PhyPort(config.ratio)), "ready": Out(1),
            "status": each_port(config, In(MemoryStatus())), "counters": each_port(config, Out(GuardedCounters)),
        })

    def elaborate(self, platform):
        m = Module()
        guards = [Guard(self._tile) for _ in range(self.config.ports)]
        for number, guard in enumerate(guards):
            m.submodules["guard" if len(guards) == 1 else f"guard{number}"] = guard
        m.submodules.controller = controller = Controller(self.config)
        members = (self.port, self.status, self.counters, controller.port, controller.status)
        ports, statuses, counters, memories, commands = (ports_of(self.config, member) for member in members)
        for guard, port, memory in zip(guards, ports, memories, strict=True):
            wiring.connect(m, wiring.flipped(port), guard.port)
            wiring.connect(m, guard.memory, memory)
        wiring.connect(m, controller.phy, wiring.flipped(self.phy))
        for status, *parts in zip(statuses, (guard.status for guard in guards), commands, strict=True):
            for part in parts:
                m.d.comb += [
                    part.enable.eq(status.enable), part.clear.eq(status.clear), part.address.eq(status.address)]
        m.d.comb += self.ready.eq(controller.ready)
        told = (controller.counters, *(Const(0, Counters.size) for _ in guards[1:]))
        for guard, status, of_port, of_channel, command in zip(guards, statuses, counters, told, commands, strict=True):
            m.d.comb += [
                of_port.eq(Cat(of_channel, guard.counters)),
                # Each of them has zeros where the other one has counters.
                status.data.eq(guard.status.data | command.data),
                status.guarded.eq(guard.status.guarded), status.busy.eq(guard.status.busy),
                status.error.eq(guard.status.error),
            ]
        return m
