"""A serial port that is pulled, comes back under another name, or cannot be opened."""

import errno
import os
import pty
import threading
import time
import tty
from importlib import import_module
from types import SimpleNamespace

import pytest
import serial
import serial.tools.list_ports
from dojang.driver import SerialTransport, TransportError

SERIAL_PORT = import_module("dojang.driver.serial_port")


class Socket:
    """Where a cable is put in: ``port`` is a link to a pseudo-terminal, each time to a new one."""

    def __init__(self, folder):
        self.port = folder / "ttyUSB0"
        self.names, self._open = [], []

    def plug(self):
        self.host, device = pty.openpty()
        tty.setraw(device)
        self._open += [self.host, device]
        self.names.append(os.ttyname(device))
        self.port.symlink_to(self.names[-1])

    def pull(self, keep_name=False):
        """With ``keep_name`` the pair stays open elsewhere, so that the next one cannot have its name."""
        self.port.unlink()
        host, device = self._open[-2:]
        if keep_name:
            self._open += [os.dup(device)]
        os.close(host)
        os.close(device)
        self._open.remove(host)
        self._open.remove(device)

    def close(self):
        for descriptor in self._open:
            os.close(descriptor)


@pytest.fixture
def socket(tmp_path):
    socket = Socket(tmp_path)
    socket.plug()
    yield socket
    socket.close()


@pytest.fixture(autouse=True)
def no_ports(monkeypatch):
    monkeypatch.setattr(serial.tools.list_ports, "comports", list)


def usb(device, number="A1", location="1-2:1.0"):
    return SimpleNamespace(device=str(device), serial_number=number, vid=0x403, pid=0x6010, location=location)


def exchange(port, host):
    port.write(b"\x00\xff\x11\x13\r\n")  # nothing is translated, XON and XOFF least of all
    assert os.read(host, 99) == b"\x00\xff\x11\x13\r\n"
    os.write(host, b"\x03\x04\r\n\x1a")
    assert port.read(99, 5) == b"\x03\x04\r\n\x1a"
    assert port.read(99, 0) == b""


def test_bytes_in_both_directions(socket):
    with SerialTransport(str(socket.port), 3_000_000) as port:
        exchange(port, socket.host)


@pytest.mark.parametrize("keep_name", [True, False], ids=["another name", "the same name"])
def test_it_comes_back(socket, keep_name):
    with SerialTransport(str(socket.port)) as port:
        socket.pull(keep_name)
        with pytest.raises(TransportError, match=f"^the serial port {socket.port} is gone$"):
            port.read(1, 5)
        plug = threading.Timer(0.3, socket.plug)
        plug.start()
        port.reopen(10)
        exchange(port, socket.host)
        plug.join()
    assert not keep_name or socket.names[0] != socket.names[1]


def test_writing_to_a_port_that_is_gone(socket):
    with SerialTransport(str(socket.port)) as port:
        socket.pull()
        with pytest.raises(TransportError, match=f"^the serial port {socket.port} is gone$"):
            port.write(b"x" * 100_000)
        port.close()
        with pytest.raises(TransportError, match=f"^the serial port {socket.port} is gone$"):
            port.read(1, 0.1)


def test_it_does_not_come_back(socket):
    with SerialTransport(str(socket.port)) as port:
        socket.pull()
        with pytest.raises(TransportError) as error:
            port.reopen(0.2)
    assert str(error.value) == (f"the serial port {socket.port} is gone and did not come back: cannot open "
                                f"{socket.port}: there is no such port (there are: none)")


def test_another_one_has_taken_its_name(socket, monkeypatch):
    """Somebody else may open it: it is not waited for long."""
    monkeypatch.setattr(SERIAL_PORT, "SETTLE_S", 0.2)
    with SerialTransport(str(socket.port)) as port:
        port.close()
        started = time.monotonic()
        with SerialTransport(str(socket.port)):
            with pytest.raises(TransportError, match=r"did not come back: .* another program has it open$"):
                port.reopen(30)
    assert time.monotonic() - started < 10


def test_a_board_is_found_by_its_number(socket, tmp_path, monkeypatch):
    """Plugged in again it is ttyUSB5; the other port of the same chip, and another chip, are not it."""
    ports = [usb(socket.port)]
    monkeypatch.setattr(serial.tools.list_ports, "comports", lambda: ports)
    with SerialTransport(str(socket.port)) as port:
        socket.pull()
        socket.port = tmp_path / "ttyUSB5"
        socket.plug()
        ports[:] = [usb(tmp_path / "ttyUSB3", "B7"), usb(tmp_path / "ttyUSB4", location="1-2:1.1"), usb(socket.port)]
        port.reopen(5)
        exchange(port, socket.host)
        assert port.port == str(socket.port)


def test_a_port_that_takes_nothing(socket, monkeypatch):
    monkeypatch.setattr(SERIAL_PORT, "WRITE_LIMIT_S", 0.1)
    with SerialTransport(str(socket.port)) as port:
        with pytest.raises(TransportError, match=f"^the serial port {socket.port} takes no bytes: is flow control "
                                                 "wired[?]$"):
            port.write(bytes(1 << 20))


def test_what_is_not_there_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(serial.tools.list_ports, "comports",
                        lambda: [usb("/dev/ttyUSB3"), SimpleNamespace(device="/dev/ttyS0", vid=None)])
    port = tmp_path / "ttyUSB0"
    with pytest.raises(TransportError) as error:
        SerialTransport(str(port))
    assert str(error.value) == f"cannot open {port}: there is no such port (there are: /dev/ttyUSB3)"


@pytest.mark.parametrize("what", ["file", "folder", "nothing"])
def test_what_is_no_port_is_named(tmp_path, what):
    (tmp_path / "file").write_text("text")
    path = {"file": tmp_path / "file", "folder": tmp_path, "nothing": "COM99"}[what]
    with pytest.raises(TransportError) as error:
        SerialTransport(str(path))
    reason = "there is no such port (there are: none)" if what == "nothing" else "it is not a serial port"
    assert str(error.value) == f"cannot open {path}: {reason}"


@pytest.mark.parametrize("error, reason", [
    (serial.SerialException(errno.EACCES, "could not open port: [Errno 13] Permission denied"),
     "no permission (on Linux, become a member of the group that owns it, mostly dialout, and log in again)"),
    (serial.SerialException(errno.EBUSY, "Device or resource busy"), "another program has it open"),
    (ValueError("Invalid baud rate: 12000000"), "it does not do 12,000,000 baud"),
    (serial.SerialException(errno.EIO, "Input/output\nerror"), "[Errno 5] Input/output error"),
], ids=["permission", "busy", "baud", "other"])
def test_why_it_cannot_be_opened(socket, monkeypatch, error, reason):
    def refuse(*args, **options):
        raise error

    monkeypatch.setattr(serial, "serial_for_url", refuse)
    with pytest.raises(TransportError) as raised:
        SerialTransport(str(socket.port), 12_000_000)
    assert str(raised.value) == f"cannot open {socket.port}: {reason}"


@pytest.mark.parametrize("answer", [None, ValueError("ioctl"), NotImplementedError()], ids=["done", "refused", "none"])
def test_an_adapter_is_asked_not_to_wait(socket, monkeypatch, answer):
    asked = []

    def low_latency(self, on):
        asked.append(on)
        if answer:
            raise answer

    monkeypatch.setattr(serial.Serial, "set_low_latency_mode", low_latency)
    with SerialTransport(str(socket.port)) as port:
        exchange(port, socket.host)
    assert asked == [True]
