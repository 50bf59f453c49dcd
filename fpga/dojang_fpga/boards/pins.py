"""What a board's top connects to: ports of the platform by their purpose."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["LED_STATES", "Pins", "ddr3_pads", "sdr_pads"]

LED_STATES = ("alive", "running", "memory_error", "link_error")
"""What LEDs can show; docs/reference/boards.md says what each means."""


@dataclass(frozen=True)
class Pins:
    """Ports as ``platform.request(..., dir="-")`` gives them.

    Parameters
    ----------
    clock: the oscillator.
    memory: IOValue for each pad of the LiteDRAM core that has a pin.
    rx, tx: serial port as seen from the FPGA.
    leds: port, and which of `LED_STATES` light it.
    reset: a button, None if there is none.
    rts: the host can take bytes (asserted by its port), None if there is no such line.
    held: port and the value it is held at.
    """

    clock: Any
    memory: Mapping[str, Any]
    rx: Any
    tx: Any
    leds: tuple[tuple[Any, tuple[str, ...]], ...]
    reset: Any = None
    rts: Any = None
    held: tuple[tuple[Any, int], ...] = ()


def ddr3_pads(ddr3, address_bits: int) -> dict[str, Any]:
    """Pads of the first rank of a ``ddr3`` resource; ``address_bits`` are those that the mounted chip has."""
    pads = {"a": ddr3.a.io[:address_bits], "ba": ddr3.ba.io, "ras_n": ddr3.ras.io, "cas_n": ddr3.cas.io,
            "we_n": ddr3.we.io, "cke": ddr3.clk_en.io[:1], "odt": ddr3.odt.io[:1], "dm": ddr3.dm.io, "dq": ddr3.dq.io,
            # The FPGA makes the second half of a differential pair by itself.
            "dqs_p": ddr3.dqs.p, "clk_p": ddr3.clk.p[:1]}
    if hasattr(ddr3, "cs"):
        pads["cs_n"] = ddr3.cs.io[:1]
    if hasattr(ddr3, "rst"):
        pads["reset_n"] = ddr3.rst.io
    return {f"ddram_{name}": pad for name, pad in pads.items()}


def sdr_pads(sdram) -> dict[str, Any]:
    """Pads of an ``sdram`` resource."""
    names = {"clk": "clk", "cke": "clk_en", "cs_n": "cs", "ras_n": "ras", "cas_n": "cas", "we_n": "we", "ba": "ba",
             "a": "a", "dm": "dqm", "dq": "dq"}
    return {f"sdram_{pad}": getattr(sdram, name).io for pad, name in names.items()}
