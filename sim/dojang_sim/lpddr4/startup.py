"""The commands that initialise a device, for benches and tests that have no controller."""

from typing import NamedTuple

from .commands import Command
from .devicespec import DeviceSpec

__all__ = ["Step", "startup"]

PREAMBLE, DRIVE = 0x04, 0x31    # MR1: write preamble of two clocks; MR3: power-up value


class Step(NamedTuple):
    """A command and the tCK from its first clock edge to that of whatever follows."""

    command: Command
    register: int
    operand: int
    clocks: int


def startup(spec: DeviceSpec) -> list[Step]:
    """What follows tINIT5 after CKE rose: mode registers 1, 2 and 3 as ``spec`` wants them, ZQ calibration."""
    code = spec.latency_code
    modes = {1: code << 4 | PREAMBLE, 2: code << 3 | code, 3: DRIVE}
    return [*(Step(Command.MRW, register, operand, spec.MRW + 2) for register, operand in modes.items()),
            Step(Command.ZQCAL_START, 0, 0, spec.ZQCAL), Step(Command.ZQCAL_LATCH, 0, 0, spec.ZQLAT)]
