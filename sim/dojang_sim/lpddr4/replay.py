"""What a sequence of commands at the pins means for the data, and what LiteDRAM's model should say of it."""

from collections import defaultdict

from dojang_hdl.lpddr4.timing import BURST_BYTES, Lpddr4Config

from .litedram_model import ROWS
from .pin_commands import CalibrationCode, PinCommand

__all__ = ["Replay"]

CALIBRATION = {CalibrationCode.START: "ZQC_START", CalibrationCode.LATCH: "ZQC_LATCH"}
COLUMN = {"RD": "READ", "WR": "WRITE", "MWR": "MASKED-WRITE"}


class Replay:
    """Executes ``commands`` one after the other on a memory of zeros, with the rows of LiteDRAM's model.

    Parameters
    ----------
    commands: (time in tCK, command).
    writes: (32 bytes, mask of the bytes to leave) for each write, in order.
    problems: sentences are appended where the two do not fit together.

    Members
    -------
    reads: data of each read, 32 bytes.
    messages: LiteDRAM's log of the commands, without spaces.
    bank_refreshes: times of refreshes of a closed bank while another was open.
    """

    def __init__(self, commands: list[tuple[int, PinCommand]], writes: list[tuple[bytes, int]], problems: list[str]):
        self.reads: list[bytes] = []
        self.messages: list[str] = []
        self.bank_refreshes: set[int] = set()
        self._read_times: list[int] = []
        self._rows: dict[int, int] = {}
        self._contents: dict[tuple[int, int, int], bytearray] = defaultdict(lambda: bytearray(BURST_BYTES))
        self._writes = list(reversed(writes))
        self._problems = problems
        for time, command in commands:
            self._execute(time, command)
        if self._writes:
            problems.append(f"{len(self._writes)} bursts of write data are left over")

    def latencies(self, config: Lpddr4Config) -> list[int]:
        """When RL of each read ends, in tCK: RL counts from the last of its four edges."""
        return [time + 3 + config.timing().RL for time in self._read_times]

    def _execute(self, time: int, command: PinCommand) -> None:
        say, bank = self.messages.append, command.bank
        match command.name:
            case "ACT":
                self._rows[bank] = command.row
                say(f"ACT:bank={bank}row={command.row}")
            case "PREPB":
                self._rows.pop(bank, None)
                say(f"PRE:bank={bank}")
            case "PREAB":
                self._rows.clear()
                say("PRE:allbanks")
            case "REFPB" | "REFAB":
                if command.name == "REFPB" and self._rows and bank not in self._rows:
                    self.bank_refreshes.add(time)
                say("REFRESH")
            case "MRW":
                say(f"MRW:MR[{command.ma}]=0x{command.op:02x}")
            case "MPC":
                say(f"MPC:{CALIBRATION.get(command.op, f'{command.op:07b}')}")
            case "MRR":
                self._problems.append(f"MRR at t={time}: LiteDRAM's model cannot read mode registers")
            case _:
                self._column(time, command)

    def _column(self, time: int, command: PinCommand) -> None:
        kind, bank = command.name.removesuffix("A"), command.bank
        row = self._rows.get(bank, 0)
        place = f"bank={bank}row={row}"
        self.messages.append(f"{COLUMN[kind]}:{place}col={command.column}")
        if command.name.endswith("A"):
            self._rows.pop(bank, None)
            self.messages.append(f"AUTO-PRECHARGE:{place}")
        burst = self._contents[bank, row % ROWS, command.column]
        if kind == "RD":
            self.reads.append(bytes(burst))
            self._read_times.append(time)
        elif not self._writes:
            self._problems.append(f"{command.name} at t={time} has no write data")
        else:
            data, mask = self._writes.pop()
            for index in range(BURST_BYTES):
                if kind == "WR" or not mask >> index & 1:
                    burst[index] = data[index]
