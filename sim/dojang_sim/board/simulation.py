"""A simulated board as a process: a serial port in, figures out."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from ..toolchain import ToolchainError

__all__ = ["RunningPins", "Traffic"]

STOP_S = 20.0
"""Until a simulation whose input has ended is killed; it looks every 65,536 clocks."""


@dataclass(frozen=True)
class Traffic:
    """What passed from the start of a simulation to its end.

    Parameters
    ----------
    clocks: of the oscillator's pin.
    seconds, cpu_seconds: of real time, and of the simulation's work.
    bytes_to_chip, bytes_from_chip: over the UART.
    bad_stop_bits: bytes from the chip with a wrong stop bit, for instance at another speed than the host's.
    baud: the host's last speed.
    leds: at the end, from bit 0 up, as the pins are.
    """

    clocks: int
    seconds: float
    cpu_seconds: float
    bytes_to_chip: int
    bytes_from_chip: int
    bad_stop_bits: int
    baud: int
    leds: int

    @property
    def clocks_per_second(self) -> float:
        """On a core of its own."""
        return self.clocks / self.cpu_seconds


class RunningPins:
    """A running simulation; a context manager that stops it.

    Parameters
    ----------
    executable: from `build_pins`.
    clock_hz: of the model's clock pin; with the host's speed on the port it makes the length of a bit.
    memories: image file of each memory channel.

    Members
    -------
    port: path of the serial port.
    executable, process_id: of the simulation.
    """

    def __init__(self, executable: Path, clock_hz: int, memories: tuple[Path, ...] = ()):
        environment = os.environ | {f"DOJANG_MEMORY_{channel}": str(path) for channel, path in enumerate(memories)}
        # In a session of its own: Ctrl-C at the terminal reaches the host only, which then ends the simulation.
        self._process = subprocess.Popen([str(executable), "--clock-hz", str(clock_hz)], stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE, text=True, env=environment, start_new_session=True)
        assert self._process.stdout is not None
        self._traffic: Traffic | None = None
        self.executable, self.process_id = executable, self._process.pid
        self.port = self._process.stdout.readline().strip()
        if not self.port:
            raise self._failed(self._process.communicate()[0])

    def stop(self) -> Traffic:
        """End the simulation. May be called twice. Raises `ToolchainError` if it has failed before."""
        if self._traffic is None:
            try:
                output, _ = self._process.communicate(timeout=STOP_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                output, _ = self._process.communicate()
            if self._process.returncode:
                raise self._failed(output)
            self._traffic = Traffic(**json.loads(output))
        return self._traffic

    def _failed(self, output: str) -> ToolchainError:
        """With what a model has said of its reasons."""
        reasons = [line.strip() for line in output.splitlines() if "%Fatal" in line]
        return ToolchainError(": ".join((f"the simulated board has ended with exit code {self._process.returncode}",
                                         *reasons[:1])))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
