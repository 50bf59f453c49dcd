"""Commands read back from the command/address pins: `encoding` the other way round."""

from collections.abc import Sequence
from dataclasses import dataclass

from .commands import ALL_BANK, CLOSING, Command
from .encoding import HALVES, OPERANDS, SHAPES

__all__ = ["Decoded", "decode"]

PINS = 6
OPERAND_NAMES = {"R": "row", "B": "bank", "C": "column", "M": "register", "O": "operand"}


@dataclass(frozen=True)
class Decoded:
    """A command with the operands it has; the others are 0. ``clock``: where it starts. ``column`` is in beats."""

    clock: int
    command: Command
    row: int = 0
    bank: int = 0
    column: int = 0
    register: int = 0
    operand: int = 0


class _Template:
    """What the pins of all clocks of a command must be, ``value`` under ``mask``, and where its operands are."""

    def __init__(self, command: Command):
        self.command = command
        edges = [edge for half in SHAPES[command] for edge in HALVES[half]]
        self.clocks = len(edges)
        flags = {"L": 0, "H": 1, "AP": command in CLOSING, "AB": command in ALL_BANK}
        if command in OPERANDS:
            flags |= {f"O{bit}": OPERANDS[command] >> bit & 1 for bit in range(7)}
        self.mask = self.value = 0
        self.operands = []      # name, bit, pin
        for pin, name in enumerate(" ".join(edges).split()):
            if name in flags:
                self.mask |= 1 << pin
                self.value |= flags[name] << pin
            elif name[1:].isdecimal():
                self.operands.append((OPERAND_NAMES[name[0]], int(name[1:]), pin))

    def read(self, clock, pins):
        found = dict.fromkeys(OPERAND_NAMES.values(), 0)
        for name, bit, pin in self.operands:
            found[name] |= (pins >> pin & 1) << bit
        return Decoded(clock, self.command, **found)


TEMPLATES = [_Template(command) for command in Command]


def decode(ca: Sequence[int], cs: Sequence[int]) -> list[Decoded]:
    """The commands of successive clocks. ``ValueError`` if something is no whole command of the truth table."""
    commands, clock = [], 0
    while clock < len(cs):
        if not cs[clock]:
            clock += 1
            continue
        for template in TEMPLATES:
            selected = list(cs[clock:clock + template.clocks])
            pins = sum(level << PINS * index for index, level in enumerate(ca[clock:clock + template.clocks]))
            if pins & template.mask == template.value and selected == [1, 0] * (template.clocks // 2):
                break
        else:
            levels = " ".join(f"{level:06b}" for level in ca[clock:clock + 4])
            raise ValueError(f"CA is {levels} from clock {clock} on, expected a command")
        commands.append(template.read(clock, pins))
        clock += template.clocks
    return commands
