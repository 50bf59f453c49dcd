"""Boards whose tools are not on PyPI: a project is written for them, nothing is built."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dojang_hdl.lpddr4.timing import Lpddr4Config

from .board import SerialLink
from .pins import Pins

__all__ = ["Project"]


@dataclass(frozen=True)
class Project:
    """A board of a 7-series FPGA with one memory channel.

    Parameters
    ----------
    name, title, chip, input_hz, clock_hz, link, make_platform, pins: as `dojang_fpga.boards.Board` has them. Where
        pins are named after pads, they are those of ``missing``.
    missing: module that has to be added, and what it is.
    lpddr4: our own controller on this channel stands in front of ``missing``, its PHY. Without it ``missing`` is
        controller and PHY, behind a memory port.
    """

    name: str
    title: str
    chip: str
    input_hz: int
    clock_hz: int
    link: SerialLink
    make_platform: Callable[[], Any]
    pins: Callable[[Any], Pins]
    missing: tuple[str, str]
    lpddr4: Lpddr4Config | None = None
