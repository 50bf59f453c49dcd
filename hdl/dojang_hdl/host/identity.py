"""What a chip says about itself (no Amaranth here)."""

from dataclasses import fields
from zlib import crc32

from ..config import ChipConfig
from ..isa import CONTEXT, FORMATS, HEAD, RUN, Op, Reg, pack
from . import protocol

__all__ = ["fingerprint", "identity"]


def fingerprint(config: ChipConfig) -> int:
    """CRC-32 over every field that programs depend on, in the order of names, over the layout of instructions and over
    registers and how they are told: chips that run the same programs have the same.
    """
    values = sorted((field.name, getattr(config, field.name)) for field in fields(config)
                    if field.name not in ("name", "vector_lanes"))
    layout = [(op.name, int(op), FORMATS.get(op, ())) for op in Op]
    registers = [(reg.name, int(reg)) for reg in Reg]
    return crc32(repr((values, HEAD, layout, RUN, CONTEXT, registers)).encode())


def identity(config: ChipConfig, clock_hz: int) -> bytes:
    """What IDENTIFY answers."""
    return pack(protocol.IDENTITY, {
        "magic": protocol.MAGIC, "version": protocol.VERSION, "width": config.width, "height": config.height,
        "lanes": config.lanes, "contexts": config.contexts, "top_k": config.top_k, "channel_mib": config.channel_mib,
        "fingerprint": fingerprint(config), "clock_hz": clock_hz}).to_bytes(protocol.IDENTITY_BYTES, "little")
