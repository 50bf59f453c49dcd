"""What a channel has once for each of its memory ports: itself if there is one, an array if there are several."""

from amaranth.lib.wiring import Member

from .timing import Lpddr4Config

__all__ = ["each_port", "ports_of"]


def each_port(config: Lpddr4Config, member: Member) -> Member:
    """``member`` of a signature, for each port."""
    return member if config.ports == 1 else member.array(config.ports)


def ports_of(config: Lpddr4Config, member) -> tuple:
    """The objects of such a member, the first port's first."""
    return (member,) if config.ports == 1 else tuple(member)
