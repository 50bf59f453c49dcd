"""A serial port as a transport: the USB-UART of a board."""

import errno
import os
import select
import time

from .transport import Transport, TransportError

__all__ = ["SerialTransport"]

WRITE_LIMIT_S = 10.0
"""A port that takes no byte for so long is stuck."""

RETRY_S = 0.1
SETTLE_S = 3.0
"""After a cable is plugged in the system may need so long for the port's permissions."""

GONE = "the serial port {port} is gone"


class SerialTransport(Transport):
    """Eight data bits, no parity; no other program can open the port meanwhile.

    Parameters
    ----------
    port: a device, or a URL of pyserial.
    baud: bits a second.
    rtscts: hardware flow control.

    Raises
    ------
    TransportError: it cannot be opened; the message says why and what helps.
    """

    def __init__(self, port: str, baud: int = 115_200, rtscts: bool = False):
        self.port, self.baud = port, baud
        self._rtscts = rtscts
        self._serial = self._open(port)
        self._usb = _usb_number(port)

    def write(self, data: bytes) -> None:
        view, deadline = memoryview(data), time.monotonic() + WRITE_LIMIT_S
        try:
            while view:
                _, ready, _ = select.select([], [self._serial], [], max(deadline - time.monotonic(), 0))
                if not ready:
                    raise TransportError(f"the serial port {self.port} takes no bytes: is flow control wired?")
                view = view[os.write(self._serial.fileno(), view):]
        except TransportError:
            raise
        except (OSError, ValueError) as error:
            raise TransportError(GONE.format(port=self.port)) from error

    def read(self, maximum: int, timeout_s: float) -> bytes:
        try:
            ready, _, _ = select.select([self._serial], [], [], max(timeout_s, 0))
            if not ready:
                return b""
            data = os.read(self._serial.fileno(), maximum)
        except (OSError, ValueError) as error:
            raise TransportError(GONE.format(port=self.port)) from error
        if not data:
            raise TransportError(GONE.format(port=self.port))
        return data

    def close(self) -> None:
        try:
            self._serial.close()
        except OSError:
            pass  # it went first

    def reopen(self, timeout_s: float) -> None:
        """Wait for the same port, or one of the same USB serial number, and open it."""
        self.close()
        deadline, refused_since = time.monotonic() + timeout_s, None
        while True:
            try:
                self._serial = self._open(self._found())
                return
            except TransportError as error:
                now = time.monotonic()
                exists = os.path.exists(self.port)
                refused_since = (refused_since or now) if exists else None
                if now >= deadline or (refused_since and now - refused_since > SETTLE_S):
                    raise TransportError(f"{GONE.format(port=self.port)} and did not come back: {error}") from error
                time.sleep(RETRY_S)

    def _found(self) -> str:
        """Where the port is now; a board that is plugged in again may get another name."""
        if self._usb and not os.path.exists(self.port):
            from serial.tools.list_ports import comports

            self.port = next((port.device for port in comports() if _key(port) == self._usb), self.port)
        return self.port

    def _open(self, port: str):
        import serial

        try:
            opened = serial.serial_for_url(port, self.baud, rtscts=self._rtscts, timeout=0, exclusive=True)
        except (OSError, ValueError) as error:
            raise TransportError(f"cannot open {port}: {_reason(error, port, self.baud)}") from error
        try:
            # Linux only; an FTDI chip then sends what it has after 1 ms instead of 16 ms.
            opened.set_low_latency_mode(True)
        except (AttributeError, NotImplementedError, OSError, ValueError):
            pass  # it is only slower
        return opened


def _reason(error: Exception, port: str, baud: int) -> str:
    code = getattr(error, "errno", None)
    if code is None and error.__context__ is not None:  # termios.error is no OSError
        code = next(iter(error.__context__.args), None)
    if code == errno.ENOENT:
        return f"there is no such port (there are: {', '.join(_ports()) or 'none'})"
    if code == errno.EACCES:
        return "no permission (on Linux, become a member of the group that owns it, mostly dialout, and log in again)"
    if code in (errno.EAGAIN, errno.EWOULDBLOCK, errno.EBUSY) or "exclusively lock" in str(error):
        return "another program has it open"
    if code in (errno.ENOTTY, errno.EISDIR, errno.ENXIO) or not os.path.exists(port):
        return "it is not a serial port"
    if isinstance(error, ValueError) or code == errno.EINVAL:
        return f"it does not do {baud:,} baud"
    return " ".join(str(error).split())


def _ports() -> list[str]:
    from serial.tools.list_ports import comports

    return [port.device for port in comports() if port.vid is not None]


def _key(port) -> tuple | None:
    """What stays the same of a USB port: the chip's serial number and which of its ports it is."""
    if port.serial_number is None:
        return None
    return port.vid, port.pid, port.serial_number, (port.location or "").rpartition(":")[2]


def _usb_number(name: str) -> tuple | None:
    from serial.tools.list_ports import comports

    name = os.path.realpath(name)
    return next((_key(port) for port in comports() if os.path.realpath(port.device) == name), None)
