"""What is soldered around the FPGA: one module that joins a board top with clock, UART, LEDs and memory chips."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .netlist import BoardNetlist, Port

__all__ = ["PINS_MODULE", "Chip", "Wiring", "pins_verilog"]

PINS_MODULE = "board_pins"


@dataclass(frozen=True)
class Chip:
    """A model of a chip beside the FPGA.

    Parameters
    ----------
    module: its Verilog module.
    pins: port of the model by the name of the top's port that it is joined with.
    sources: Verilog and C++ that the model is made of.
    parameters: of the module.
    """

    module: str
    pins: dict[str, str]
    sources: tuple[Path, ...]
    parameters: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Wiring:
    """Ports of the top that the harness knows.

    Parameters
    ----------
    clock, rx, tx: the oscillator's pin, and the UART's as the FPGA has them.
    leds: from bit 0 up; ports, or bits of them.
    high: inputs that rest at 1; other inputs rest at 0.
    """

    clock: str
    rx: str
    tx: str
    leds: tuple[str, ...] = ()
    high: tuple[str, ...] = ()


def pins_verilog(netlist: BoardNetlist, wiring: Wiring, chips: Sequence[Chip]) -> str:
    """Module `PINS_MODULE`: inputs ``clk`` and ``uart_rx``, outputs ``uart_tx`` and ``leds``.

    Raises `ValueError` for a name that is no port of the top.
    """
    ports = {port.name: port for port in netlist.ports}
    for name in (wiring.clock, wiring.rx, wiring.tx, *(led.split("[")[0] for led in wiring.leds),
                 *(pin for chip in chips for pin in chip.pins)):
        if name not in ports:
            raise ValueError(f"{netlist.name} has no port {name}, only {', '.join(ports)}")
    zero = "1'b0"
    leds = [bit for led in wiring.leds for bit in ([led] if "[" in led else _bits(ports[led]))]
    lines = [f"module {PINS_MODULE} (input clk, input uart_rx, output uart_tx, output [31:0] leds);"]
    lines += [f"  wire [{port.width - 1}:0] {port.name};" for port in netlist.ports]
    given = {wiring.clock: "clk", wiring.rx: "uart_rx", **dict.fromkeys(wiring.high, "'1")}
    driven = {name for chip in chips for name in chip.pins}
    lines += [f"  assign {port.name} = {given.get(port.name, '0')};" for port in netlist.ports
              if port.direction == "input" and port.name not in driven]
    lines += [f"  assign uart_tx = {wiring.tx};", f"  assign leds = {{{', '.join((zero, *reversed(leds)))}}};"]
    lines.append(_instance(netlist.name, "top", {name: name for name in ports}, {}))
    for number, chip in enumerate(chips):
        lines.append(_instance(chip.module, f"chip_{number}", {port: pin for pin, port in chip.pins.items()},
                               chip.parameters))
    return "\n".join((*lines, "endmodule", ""))


def _bits(port: Port) -> Iterable[str]:
    return [port.name] if port.width == 1 else [f"{port.name}[{bit}]" for bit in range(port.width)]


def _instance(module: str, name: str, ports: dict[str, str], parameters: dict[str, int]) -> str:
    given = ", ".join(f".{key}({value})" for key, value in parameters.items())
    joined = ", ".join(f".{port}({net})" for port, net in ports.items())
    return f"  {module} {f'#({given}) ' if given else ''}{name} ({joined});"
