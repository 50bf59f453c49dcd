"""An LPDDR4 channel whose contents are guarded."""

from amaranth.hdl import Cat, Module
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..counters import GUARD_COUNTERS, MEMORY_COUNTERS
from ..guard.guard import Guard
from ..memory import MemoryPort, MemoryStatus
from .controller import Controller
from .phy import PhyPort
from .ports import each_port, ports_of
from .timing import Lpddr4Config

__all__ = ["GuardedController"]


class GuardedController(wiring.Component):
    """`Guard` in front of each port of a `Controller`, one status for both.

    Parameters
    ----------
    config: the channel.
    tile, entries: see `Guard`.

    Members
    -------
    port: `MemoryPort`. phy: `PhyPort`. ready: initialisation is over.
    status: of each port, as ``port``; the first one has the controller's counters besides those of its guard.
    events: what the counters count in this cycle; those of several guards end with the number of their port.
    """

    def __init__(self, config: Lpddr4Config, tile: int, entries: int = 4):
        self.config, self._tile, self._entries = config, tile, entries
        ports = [""] if config.ports == 1 else [f"_{port}" for port in range(config.ports)]
        names = [*MEMORY_COUNTERS, *(name + port for port in ports for name in GUARD_COUNTERS)]
        super().__init__({
            "port": each_port(config, In(MemoryPort())), "phy": Out(PhyPort(config.ratio)), "ready": Out(1),
            "status": each_port(config, In(MemoryStatus())),
            "events": Out(data.StructLayout(dict.fromkeys(names, 1))),
        })

    def elaborate(self, platform):
        m = Module()
        guards = [Guard(self._tile, self._entries) for _ in range(self.config.ports)]
        for number, guard in enumerate(guards):
            m.submodules["guard" if len(guards) == 1 else f"guard{number}"] = guard
        m.submodules.controller = controller = Controller(self.config)
        members = (self.port, self.status, controller.port, controller.status)
        ports, statuses, memories, commands = (ports_of(self.config, member) for member in members)
        for guard, port, memory in zip(guards, ports, memories, strict=True):
            wiring.connect(m, wiring.flipped(port), guard.port)
            wiring.connect(m, guard.memory, memory)
        wiring.connect(m, controller.phy, wiring.flipped(self.phy))
        for status, *parts in zip(statuses, (guard.status for guard in guards), commands, strict=True):
            for part in parts:
                m.d.comb += [
                    part.enable.eq(status.enable), part.clear.eq(status.clear), part.address.eq(status.address)]
        m.d.comb += [
            self.ready.eq(controller.ready),
            self.events.eq(Cat(controller.events, *(guard.events for guard in guards))),
        ]
        for guard, status, command in zip(guards, statuses, commands, strict=True):
            m.d.comb += [
                # Each of them has zeros where the other one has counters.
                status.data.eq(guard.status.data | command.data),
                status.guarded.eq(guard.status.guarded), status.busy.eq(guard.status.busy),
                status.error.eq(guard.status.error),
            ]
        return m
