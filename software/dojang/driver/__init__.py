"""Host side of the link to a chip: transports, frames with re-sending, and the chip's functions."""

from .device import Candidates, Device, Identity, MemoryFault, RunResult
from .link import Link, LinkError, LinkTimeout
from .serial_port import SerialTransport
from .transport import PipeTransport, SocketTransport, Transport, TransportError
from .upload import Upload, upload

__all__ = [
    "Candidates", "Device", "Identity", "Link", "LinkError", "LinkTimeout", "MemoryFault", "PipeTransport",
    "RunResult", "SerialTransport", "SocketTransport", "Transport", "TransportError", "Upload", "upload",
]
