"""Plays a list of timed commands at the PHY boundary: the simplest driver of a `PhyPort`."""

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from amaranth.hdl import ClockSignal, Instance, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import Out
from dojang_hdl.lpddr4.phy import BEAT_BITS, CA_BITS, PhyPort
from dojang_hdl.lpddr4.timing import BURST_BYTES, Lpddr4Config

from .opinion import Opinion
from .pin_commands import CalibrationCode, PinCommand
from .second_opinion import second_opinion

__all__ = ["SOURCES", "CommandPlayer", "Script", "play"]

SOURCES = (Path(__file__).with_name("command_player.v"),)
"""What a Verilator build needs besides the Verilog of a design with `CommandPlayer`."""

READS = ("RD", "RDA", "MRR")
WRITES = ("WR", "WRA", "MWR", "MWRA")


@dataclass
class Cycle:
    """What differs from idle in one controller cycle; ``phases`` are (CS, CA) by phase, beats and masks in order."""

    phases: dict[int, tuple[int, int]] = field(default_factory=dict)
    pins: tuple[int, int] | None = None     # CKE, RESET_n from here on
    write: list[int] = field(default_factory=list)
    mask: list[int] = field(default_factory=list)
    read_start: bool = False


class Script:
    """Commands with their times and write data, sorted into controller cycles.

    Nothing is checked but the alignment: a script may well be illegal.

    Parameters
    ----------
    config: the channel.

    Members
    -------
    cycles: what happens, by number of the controller cycle.
    """

    def __init__(self, config: Lpddr4Config):
        self.config = config
        self.cycles: dict[int, Cycle] = {}

    def issue(self, time: int, command: PinCommand, write: bytes = b"", mask: int = 0) -> None:
        """Put ``command`` at ``time`` (tCK).

        A write takes the 32 bytes ``write``; bit i of ``mask`` set leaves byte i as it is. Raises `ValueError` if a
        read or write does not start a controller cycle, or the data is not a burst.
        """
        ratio = self.config.ratio
        at, phase = divmod(time, ratio)
        if command.name in READS + WRITES and phase:
            raise ValueError(f"{command.name} is at t={time}, expected a multiple of {ratio}")
        size = BURST_BYTES if command.name in WRITES else 0
        if len(write) != size:
            raise ValueError(f"{command.name} has {len(write)} bytes of data, expected {size}")
        for clock, levels in enumerate(command.encode(), time):
            self._cycle(clock // ratio).phases[clock % ratio] = levels
        self._cycle(at).read_start |= command.name in READS
        delay = (self.config.timing().WL + 4) // ratio
        for beat in range(len(write) // 2):
            cycle = self._cycle(at + delay + beat // (2 * ratio))
            cycle.write.append(int.from_bytes(write[2 * beat:2 * beat + 2], "little"))
            cycle.mask.append(mask >> 2 * beat & 3)

    def initialise(self) -> int:
        """Power up: RESET_n, CKE, mode registers, impedance calibration. Returns when the next command may start.

        tINIT1 and tINIT3 are divided by ``config.init_divisor``.
        """
        config, ratio = self.config, self.config.ratio
        t, code = config.timing(), config.latency_code
        reset = -(-config.cycles(200_000) // config.init_divisor) + config.cycles(10)
        enable = reset - (-config.cycles(2_000_000) // config.init_divisor) + 1
        self._cycle(reset).pins = 0, 1
        self._cycle(enable).pins = 1, 1
        time = (enable + config.cycles(2_000) + 1) * ratio
        # BL16, 2 tCK of write preamble, nWR; RL, WL; no DBI; terminations and references; masked writes on
        for ma, op in ((1, code << 4 | 0x04), (2, code << 3 | code), (3, 0x31), (11, 0x04), (12, 0x4D), (13, 0),
                       (14, 0x4D)):
            self.issue(time, PinCommand("MRW", ma=ma, op=op))
            time += 4 + t.MRW
        self.issue(time, PinCommand("MPC", op=CalibrationCode.START))
        time += 2 + config.clocks(1_000)
        self.issue(time, PinCommand("MPC", op=CalibrationCode.LATCH))
        return time + 2 + t.ZQLAT

    def text(self, rest: int = 32) -> str:
        """The script as command_player.v reads it; it ends ``rest`` controller cycles after its last command."""
        ratio, lines = self.config.ratio, []
        cke = reset_n = 0
        for at, cycle in sorted(self.cycles.items()):
            cke, reset_n = cycle.pins or (cke, reset_n)
            phases = [cycle.phases.get(phase, (0, 0)) for phase in range(ratio)]
            cs, ca = _packed([level for level, _ in phases], 1), _packed([address for _, address in phases], CA_BITS)
            lines.append(f"{at} {cke} {reset_n} {cs:x} {ca:x} {int(bool(cycle.write))} "
                         f"{_packed(cycle.write, BEAT_BITS):x} {_packed(cycle.mask, 2):x} {int(cycle.read_start)}\n")
        return "".join(lines) + f"{max(self.cycles) + rest} {cke} {reset_n} 0 0 0 0 0 0\n"

    def _cycle(self, at: int) -> Cycle:
        return self.cycles.setdefault(at, Cycle())


def _packed(values: list[int], width: int) -> int:
    return sum(value << width * index for index, value in enumerate(values))


class CommandPlayer(wiring.Component):
    """Plays `Script.text` from the file named by ``+script``. Simulation only: needs `SOURCES` in the Verilator build.

    Parameters
    ----------
    config: the channel.

    Members
    -------
    phy: `PhyPort`. RESET_n and CKE are low at first. What is read is not looked at.
    done: the script is over; stays high.
    """

    def __init__(self, config: Lpddr4Config):
        self._ratio = config.ratio
        super().__init__({"phy": Out(PhyPort(config.ratio)), "done": Out(1)})

    def elaborate(self, platform):
        m = Module()
        phy = self.phy
        m.submodules.verilog = Instance(
            "lpddr4_command_player", p_RATIO=self._ratio, i_clk=ClockSignal(),
            o_ca=phy.ca, o_cs=phy.cs, o_cke=phy.cke, o_reset_n=phy.reset_n, o_write=phy.write, o_mask=phy.mask,
            o_write_valid=phy.write_valid, o_read_start=phy.read_start, o_done=self.done)
        return m


def play(script: Script, **options) -> Opinion:
    """LiteDRAM's opinion of ``script``; ``options`` are those of `second_opinion`.

    The bench is built once for all scripts of a configuration.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "script"
        path.write_text(script.text())
        return second_opinion(CommandPlayer(script.config), script.config, sources=SOURCES,
                              arguments=(f"+script={path}",), **options)
