"""Commands of the rule table as they stand on the command/address pins."""

from .commands import Command
from .pin_commands import CalibrationCode, PinCommand

__all__ = ["encode"]

OPERANDS = {Command.ZQCAL_START: CalibrationCode.START, Command.ZQCAL_LATCH: CalibrationCode.LATCH}


def encode(command: Command, bank: int = 0, *, row: int = 0, burst: int = 0, register: int = 0,
           operand: int = 0) -> list[tuple[int, bool]]:
    """CA (CA0 is bit 0) and CS of each clock of ``command``; ``burst`` is the number of the burst in the row."""
    name = "MPC" if command in OPERANDS else str(command)
    pins = PinCommand(name, bank, row=row, column=burst << 4, op=OPERANDS.get(command, operand), ma=register)
    return [(ca, bool(cs)) for cs, ca in pins.encode()]
