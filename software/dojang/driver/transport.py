"""Byte streams to a chip: pipes of a process, a TCP socket."""

import os
import select
import socket
import subprocess
from abc import ABC, abstractmethod
from typing import IO

__all__ = ["PipeTransport", "SocketTransport", "Transport", "TransportError"]


class TransportError(ConnectionError):
    """The stream cannot be opened, or its other end has closed it."""


class Transport(ABC):
    """A byte stream in each direction; bytes may be lost or corrupted. A context manager that closes it."""

    @abstractmethod
    def write(self, data: bytes) -> None:
        """Send all bytes. Raises `TransportError` if the stream is closed."""

    @abstractmethod
    def read(self, maximum: int, timeout_s: float) -> bytes:
        """1 to ``maximum`` bytes as soon as there are any, none after ``timeout_s``. `TransportError` if closed."""

    @abstractmethod
    def close(self) -> None:
        """Close both directions. May be called twice."""

    def reopen(self, timeout_s: float) -> None:
        """Open what has been closed at its other end, waiting for it. `TransportError` if that is not possible."""
        raise TransportError("the link is broken and cannot be opened again")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class PipeTransport(Transport):
    """A pair of pipes; ``spawn`` connects to the standard input and output of a new process, which ``close`` ends."""

    def __init__(self, reader: IO[bytes], writer: IO[bytes], process: subprocess.Popen | None = None):
        self._reader, self._writer, self._process = reader, writer, process

    @classmethod
    def spawn(cls, command: list[str], **options) -> "PipeTransport":
        """Start ``command``; further ``options`` go to `subprocess.Popen`."""
        try:
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, **options)
        except OSError as error:
            raise TransportError(f"cannot start {command[0]}: {error.strerror}") from error
        assert process.stdin is not None and process.stdout is not None
        return cls(process.stdout, process.stdin, process)

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._writer.fileno(), view):]
        except (OSError, ValueError) as error:
            raise TransportError("the chip's process has closed its input") from error

    def read(self, maximum: int, timeout_s: float) -> bytes:
        try:
            ready, _, _ = select.select([self._reader], [], [], max(timeout_s, 0))
            if not ready:
                return b""
            data = os.read(self._reader.fileno(), maximum)
        except (OSError, ValueError) as error:
            raise TransportError("the pipe from the chip is closed") from error
        if not data:
            raise TransportError("the chip's process has ended")
        return data

    def close(self) -> None:
        for stream in (self._writer, self._reader):
            try:
                stream.close()
            except OSError:
                pass  # the other end went first
        if self._process is not None:
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


class SocketTransport(Transport):
    """A TCP connection (or any connected stream socket)."""

    def __init__(self, connection: socket.socket):
        self._socket = connection

    @classmethod
    def connect(cls, host: str, port: int, timeout_s: float = 10.0) -> "SocketTransport":
        try:
            connection = socket.create_connection((host, port), timeout_s)
        except OSError as error:
            raise TransportError(f"cannot connect to {host}:{port}: {error.strerror or error}") from error
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return cls(connection)

    def write(self, data: bytes) -> None:
        try:
            self._socket.settimeout(None)
            self._socket.sendall(data)
        except OSError as error:
            raise TransportError("the connection to the chip is closed") from error

    def read(self, maximum: int, timeout_s: float) -> bytes:
        try:
            ready, _, _ = select.select([self._socket], [], [], max(timeout_s, 0))
            if not ready:
                return b""
            data = self._socket.recv(maximum)
        except (OSError, ValueError) as error:
            raise TransportError("the connection to the chip is closed") from error
        if not data:
            raise TransportError("the chip has closed the connection")
        return data

    def close(self) -> None:
        self._socket.close()
