"""What a chip says about itself (no Amaranth here)."""

from dataclasses import fields
from zlib import crc32

from ..config import ChipConfig
from ..isa import pack
from . import protocol

__all__ = ["fingerprint", "identity"]

LATER = {"coded"}


def fingerprint(config: ChipConfig) -> int:
    """CRC-32 over every field but the name, in the order of names: chips that run the same programs have the same.

    Fields of `LATER` count where they are not at their default, so bitstreams from before them are still recognised.
    """
    values = sorted((field.name, value) for field in fields(config) if field.name != "name"
                    if (value := getattr(config, field.name)) != field.default or field.name not in LATER)
    return crc32(";".join(f"{name}={value}" for name, value in values).encode())


def identity(config: ChipConfig, clock_hz: int) -> bytes:
    """What IDENTIFY answers."""
    return pack(protocol.IDENTITY, {
        "magic": protocol.MAGIC, "version": protocol.VERSION, "width": config.width, "height": config.height,
        "lanes": config.lanes, "contexts": config.contexts, "top_k": config.top_k, "channel_mib": config.channel_mib,
        "fingerprint": fingerprint(config), "clock_hz": clock_hz}).to_bytes(protocol.IDENTITY_BYTES, "little")
