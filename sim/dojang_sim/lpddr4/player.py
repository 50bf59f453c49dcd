"""Plays a list of timed commands at the PHY boundary: the simplest thing that drives a `PhyPort`."""

from dataclasses import dataclass, field

from amaranth.hdl import Module, Signal
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import Out
from dojang_hdl.lpddr4.phy import BEAT_BITS, CA_BITS, PhyPort
from dojang_hdl.lpddr4.timing import BURST_BYTES, Lpddr4Config

from .pin_commands import CalibrationCode, PinCommand

__all__ = ["CommandPlayer", "Script"]

CYCLE_BITS = 32
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
    end: first memory clock after the last command, in tCK.
    """

    def __init__(self, config: Lpddr4Config):
        self.config = config
        self.cycles: dict[int, Cycle] = {}
        self.end = 0

    def issue(self, time: int, command: PinCommand, write: bytes = b"", mask: int = 0) -> None:
        """Put ``command`` at ``time`` (tCK).

        A write takes the 32 bytes ``write``; bit i of ``mask`` set leaves byte i as it is. Raises `ValueError` if a
        read or write does not start a controller cycle, or the data is not a burst.
        """
        ratio = self.config.ratio
        at, phase = divmod(time, ratio)
        if command.name in READS + WRITES and phase:
            raise ValueError(f"{command.name} is at t={time}, expected a multiple of {ratio}")
        if len(write) != (BURST_BYTES if command.name in WRITES else 0):
            raise ValueError(f"{command.name} has {len(write)} bytes of data, expected {BURST_BYTES} for a write, else none")
        for clock, levels in enumerate(command.encode(), time):
            self._cycle(clock // ratio).phases[clock % ratio] = levels
            self.end = max(self.end, clock + 1)
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
        for ma, op in (1, code << 4 | 0x04), (2, code << 3 | code), (3, 0x31), (11, 0x04), (12, 0x4D), (13, 0), (14, 0x4D):
            self.issue(time, PinCommand("MRW", ma=ma, op=op))
            time += 4 + t.MRW
        self.issue(time, PinCommand("MPC", op=CalibrationCode.START))
        time += 2 + config.clocks(1_000)
        self.issue(time, PinCommand("MPC", op=CalibrationCode.LATCH))
        return time + 2 + t.ZQLAT

    def _cycle(self, at: int) -> Cycle:
        return self.cycles.setdefault(at, Cycle())


class CommandPlayer(wiring.Component):
    """Plays a `Script` once; RESET_n and CKE are low at first.

    Parameters
    ----------
    script: must not change after this.
    rest: controller cycles from the last command to ``done``.

    Members
    -------
    phy: `PhyPort`. What is read is not looked at.
    done: stays high.
    """

    def __init__(self, script: Script, rest: int = 32):
        self._script, self._rest = script, rest
        super().__init__({"phy": Out(PhyPort(script.config.ratio)), "done": Out(1)})

    def elaborate(self, platform):
        m = Module()
        phy = self.phy
        ratio = self._script.config.ratio
        row = data.StructLayout({
            "cycle": CYCLE_BITS, "cs": ratio, "ca": data.ArrayLayout(CA_BITS, ratio), "cke": 1, "reset_n": 1,
            "write": data.ArrayLayout(BEAT_BITS, 2 * ratio), "mask": data.ArrayLayout(2, 2 * ratio),
            "write_valid": 1, "read_start": 1,
        })
        rows = self._rows()
        m.submodules.rows = table = memory.Memory(shape=row, depth=len(rows), init=rows)
        port = table.read_port(domain="comb")
        now, at = Signal(CYCLE_BITS), Signal(range(len(rows) + 1))
        event = port.data
        m.d.comb += [port.addr.eq(at), self.done.eq(at == len(rows))]
        m.d.sync += [now.eq(now + 1), phy.cs.eq(0), phy.write_valid.eq(0), phy.read_start.eq(0)]
        with m.If(~self.done & (event.cycle == now)):
            m.d.sync += at.eq(at + 1)
            m.d.sync += [getattr(phy, name).eq(event[name]) for name in row.members if name != "cycle"]
        return m

    def _rows(self):
        script, rows = self._script, []
        ratio, cycles = script.config.ratio, script.cycles
        cke = reset_n = 0
        for at in sorted(cycles):
            cycle = cycles[at]
            cke, reset_n = cycle.pins or (cke, reset_n)
            idle = (0, 0)
            rows.append({
                "cycle": at, "cke": cke, "reset_n": reset_n,
                "cs": sum(cycle.phases.get(phase, idle)[0] << phase for phase in range(ratio)),
                "ca": [cycle.phases.get(phase, idle)[1] for phase in range(ratio)],
                "write": cycle.write, "mask": cycle.mask, "write_valid": bool(cycle.write),
                "read_start": cycle.read_start})
        return [*rows, {"cycle": max(cycles) + self._rest, "cke": cke, "reset_n": reset_n}]
