"""Plays commands and data at given clocks to a device model, for tests and campaigns without a controller."""

from .binding import CompiledDevice
from .commands import Command
from .devicespec import DeviceSpec
from .encoding import encode
from .startup import startup

__all__ = ["Player"]

BURST_BYTES, CLOCK_BYTES = 32, 4


class Player:
    """A `CompiledDevice` and what it is to be driven with.

    Attributes
    ----------
    bursts: first clock and the 32 bytes of every burst that the device has driven.
    """

    def __init__(self, spec: DeviceSpec, channel: int = 0, options: str = ""):
        self.spec = spec
        self.device = CompiledDevice(spec, channel, options)
        self.bursts: list[tuple[int, bytes]] = []
        self._cke = self._reset_n = False
        self._edges: dict[int, tuple[int, bool]] = {}
        self._data: dict[int, tuple[int, int]] = {}
        self._arriving = b""

    @property
    def now(self) -> int:
        return self.device.now

    def signals(self, cke: bool, reset_n: bool) -> None:
        """Levels from the next clock on."""
        self._cke, self._reset_n = cke, reset_n

    def issue(self, time: int, command: Command, bank: int = 0, *, data: bytes = b"", mask: int = 0,
              **operands: int) -> None:
        """Have ``command`` start at ``time``, and its 32 bytes of ``data`` when they are due; ``operands`` as `encode`.

        Bit i of ``mask`` is DMI of byte i of the data.
        """
        for clock, edge in enumerate(encode(command, bank, **operands), time):
            self._edges[clock] = edge
        if data:
            self.drive(time + 4 + self.spec.WL, data, mask)

    def drive(self, time: int, data: bytes, mask: int = 0) -> None:
        """Write data from ``time`` on, 4 bytes a clock."""
        for index in range(0, len(data), CLOCK_BYTES):
            beats = int.from_bytes(data[index:index + CLOCK_BYTES], "little")
            self._data[time + index // CLOCK_BYTES] = beats, mask >> index & 0xF

    def edge(self, time: int, ca: int, cs: bool) -> None:
        """CA and CS of one clock."""
        self._edges[time] = ca, cs

    def run(self, clocks: int) -> None:
        for now in range(self.now, self.now + clocks):
            ca, cs = self._edges.pop(now, (0, False))
            beats, mask = self._data.pop(now, (None, 0))
            read = self.device.clock(ca, cs, cke=self._cke, reset_n=self._reset_n, write=beats, mask=mask)
            if read is not None:
                self._arriving += read.to_bytes(CLOCK_BYTES, "little")
                if len(self._arriving) == BURST_BYTES:
                    self.bursts.append((now + 1 - BURST_BYTES // CLOCK_BYTES, self._arriving))
                    self._arriving = b""

    def step(self, clocks: int, command: Command, bank: int = 0, **arguments) -> int:
        """``command`` now, and ``clocks`` from its first edge; its time."""
        time = self.now
        self.issue(time, command, bank, **arguments)
        self.run(clocks)
        return time

    def power_up(self) -> None:
        """RESET_n and CKE as late as they must be, up to the first clock that allows a command."""
        self.signals(cke=False, reset_n=False)
        self.run(self.spec.INIT1)
        self.signals(cke=False, reset_n=True)
        self.run(self.spec.INIT3)
        self.signals(cke=True, reset_n=True)
        self.run(self.spec.INIT5)

    def start(self) -> None:
        """The whole initialisation."""
        self.power_up()
        for command, register, operand, clocks in startup(self.spec):
            self.step(clocks, command, register=register, operand=operand)
