import socket
import sys
import time

import pytest
from dojang.driver import PipeTransport, SerialTransport, SocketTransport, TransportError

ECHO = [sys.executable, "-c", "import os\nwhile data := os.read(0, 99): os.write(1, data)"]


@pytest.fixture(params=["pipe", "socket"])
def echo(request):
    if request.param == "pipe":
        with PipeTransport.spawn(ECHO) as transport:
            yield transport
        return
    here, there = socket.socketpair()
    with there, SocketTransport(here) as transport:
        original = transport.write

        def write(data):
            original(data)
            there.sendall(there.recv(4096))

        transport.write = write
        yield transport


def test_bytes_come_back(echo):
    echo.write(b"\x00\xffdojang")
    data = b""
    while len(data) < 8:
        data += echo.read(3, 5)
    assert data == b"\x00\xffdojang"


def test_silence_is_no_bytes(echo):
    started = time.monotonic()
    assert echo.read(10, 0.05) == b""
    assert 0.04 < time.monotonic() - started < 2
    assert echo.read(10, -1) == b""


def test_a_closed_transport_says_so(echo):
    echo.close()
    echo.close()
    with pytest.raises(TransportError):
        echo.read(1, 0.1)


def test_the_other_end_ends():
    with PipeTransport.spawn([sys.executable, "-c", ""]) as transport:
        with pytest.raises(TransportError, match="the chip's process has ended"):
            transport.read(1, 20)
    here, there = socket.socketpair()
    there.close()
    with pytest.raises(TransportError, match="the chip has closed the connection"):
        SocketTransport(here).read(1, 1)


def test_tcp_connects():
    with socket.create_server(("127.0.0.1", 0)) as server:
        with SocketTransport.connect("127.0.0.1", server.getsockname()[1]) as transport:
            peer, _ = server.accept()
            with peer:
                peer.sendall(b"x")
                assert transport.read(9, 5) == b"x"
        port = server.getsockname()[1]
    with pytest.raises(TransportError, match=f"cannot connect to 127.0.0.1:{port}"):
        SocketTransport.connect("127.0.0.1", port)


def test_what_cannot_be_opened_is_named():
    with pytest.raises(TransportError, match="cannot start no-such-program-here"):
        PipeTransport.spawn(["no-such-program-here"])
    with pytest.raises(TransportError, match=r"pyserial|no-such-port"):
        SerialTransport("no-such-port")
