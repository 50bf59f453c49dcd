"""A serial port that is not one: a pseudo-terminal in front of a chip, with a line between them that does damage."""

import os
import pty
import select
import threading
import time
import tty
from collections import deque
from collections.abc import Callable
from pathlib import Path

__all__ = ["Relay"]

Damage = Callable[[bytes], bytes]


class Relay:
    """Carries bytes between a pseudo-terminal, whose name stands behind the link ``port``, and a chip.

    Parameters
    ----------
    port: symbolic link to be made, as udev makes names of ports.
    chip: file descriptors to read and to write.
    baud: bits a second of the line, ten to a byte; as fast as it goes if None.
    latency_s: in each direction.

    Attributes
    ----------
    to_chip, from_chip: change what passes.
    sent: bytes that have come from the host.
    """

    def __init__(self, port: Path, chip: tuple[int, int], baud: int | None = None, latency_s: float = 0.0):
        self.port = port
        self.to_chip: Damage = lambda data: data
        self.from_chip: Damage = lambda data: data
        self.sent = 0
        self._chip, self._baud, self._latency = chip, baud, latency_s
        self._host: int | None = None
        self._queues: dict[bool, deque[tuple[float, bytes]]] = {True: deque(), False: deque()}
        self._free = {True: 0.0, False: 0.0}
        self._lock = threading.Lock()
        self._ended = False
        self.plug()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def plug(self) -> None:
        """Put the cable in: there is a port, of a new device."""
        host, device = pty.openpty()
        tty.setraw(device)
        with self._lock:
            self._host, self._device = host, device
            self.port.unlink(missing_ok=True)
            self.port.symlink_to(os.ttyname(device))

    def pull(self) -> None:
        """Pull the cable: the port is gone, and what was on the way."""
        with self._lock:
            if self._host is not None:
                self.port.unlink(missing_ok=True)
                os.close(self._host)
                os.close(self._device)
                self._host = None
                for queue in self._queues.values():
                    queue.clear()

    def connect(self, chip: tuple[int, int]) -> None:
        """Another chip is behind the port from now on."""
        self._chip = chip

    def replug(self, after_s: float) -> None:
        """Pull the cable, and put it in again later."""
        self.pull()
        threading.Timer(after_s, self.plug).start()

    def close(self) -> None:
        self._ended = True
        self._thread.join(5)
        self.pull()

    def _run(self) -> None:
        while not self._ended:
            with self._lock:
                host = self._host
            readable, _, _ = select.select([self._chip[0]] + [host] * (host is not None), [], [], 0.0005)
            for source in readable:
                try:
                    data = os.read(source, 4096)
                except OSError:
                    continue  # nobody has the port open, or it was pulled
                to_chip = source == host
                if not data:
                    if not to_chip:
                        return
                    continue
                self.sent += len(data) * to_chip
                self._send(to_chip, data)
            self._deliver()

    def _send(self, to_chip: bool, data: bytes) -> None:
        data = (self.to_chip if to_chip else self.from_chip)(data)
        for at in range(0, len(data), 64):
            part = data[at:at + 64]
            start = max(time.monotonic(), self._free[to_chip])
            self._free[to_chip] = start + (10 * len(part) / self._baud if self._baud else 0)
            self._queues[to_chip].append((self._free[to_chip] + self._latency, part))

    def _deliver(self) -> None:
        for to_chip, queue in self._queues.items():
            while queue and queue[0][0] <= time.monotonic():
                with self._lock:
                    target = self._chip[1] if to_chip else self._host
                    if not queue:
                        break
                    _, part = queue.popleft()
                    if target is None:
                        continue
                    try:
                        os.write(target, part)
                    except OSError:
                        return
