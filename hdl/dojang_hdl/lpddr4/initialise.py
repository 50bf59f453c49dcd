"""Power-up of the memory, until it can be read and written."""

from amaranth.hdl import Array, Const, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from .command import Command, Kind
from .timing import Lpddr4Config

__all__ = ["Initialiser", "mode_registers"]

ZQCAL_START = 0b1001111
ZQCAL_LATCH = 0b1010001

# JESD209-4, ns
RESET_NS = 200_000          # tINIT1
CKE_LOW_NS = 10             # tINIT2
RESET_TO_CKE_NS = 2_000_000     # tINIT3
CKE_TO_COMMAND_NS = 2_000   # tINIT5
CALIBRATION_NS = 1_000      # tZQCAL


def mode_registers(config: Lpddr4Config) -> dict[int, int]:
    """What is written to each mode register, in the order of writing."""
    code = config.latency_code
    return {
        1: code << 4 | 1 << 2,      # BL16, write preamble 2 tCK, static read preamble, nWR
        2: code << 3 | code,        # WL set A, RL
        3: 0x31,                    # pull-up VDDQ/3, pull-down 40 ohm, no DBI
        11: 0x04 if config.terminated else 0x00,    # DQ terminated by 60 ohm, CA not
        12: 0x4D,                   # CA reference at its default
        13: 0x00,                   # frequency set point 0
        14: 0x4D,                   # DQ reference at its default
    }


class Initialiser(wiring.Component):
    """RESET, CKE, mode registers, impedance calibration, then the PHY's training, then ``done``. Later calibrations use
    the same way to the pins.

    The pins leave reset with RESET and CKE low. The steps are a table: pins, command, cycles until the next step.

    Members
    -------
    reset_n, cke: the pins.
    command: one cycle each. ``sends``: the command bus is its own.
    calibrate, calibrated: see `PhyPort`.
    done: the memory is ready; stays high.
    start, latch: strobes after ``done``, to send ZQCAL_START and ZQCAL_LATCH.
    """

    reset_n: Out(1)
    cke: Out(1)
    command: Out(Command)
    sends: Out(1, init=1)
    calibrate: Out(1)
    calibrated: In(1)
    done: Out(1)
    start: In(1)
    latch: In(1)

    def __init__(self, config: Lpddr4Config):
        self._config = config
        super().__init__()

    def elaborate(self, platform):
        m = Module()
        steps = self._steps()
        longest = max(wait for _, _, _, wait in steps)
        step_layout = data.StructLayout({"reset_n": 1, "cke": 1, "kind": Kind, "ma": 6, "op": 8,
                                         "wait": range(longest + 1)})
        table = Array(
            step_layout.const({"reset_n": reset_n, "cke": cke, "wait": wait, **command}).as_value()
            for reset_n, cke, command, wait in steps)
        at, left = Signal(range(len(steps))), Signal(range(longest + 1))
        step, first = Signal(step_layout), Signal(init=1)
        m.d.comb += step.eq(table[at])
        m.d.sync += [self.reset_n.eq(step.reset_n), self.cke.eq(step.cke), self.command.eq(Const(0, Command.size))]
        with m.If(first):
            m.d.sync += [first.eq(0), left.eq(step.wait), self.command.kind.eq(step.kind), self.command.ma.eq(step.ma),
                         self.command.op.eq(step.op)]
        with m.Elif(left != 0):
            m.d.sync += left.eq(left - 1)
        with m.Elif(at != len(steps) - 1):
            m.d.sync += [at.eq(at + 1), first.eq(1)]
        with m.Else():
            m.d.sync += [self.calibrate.eq(1), self.done.eq(self.calibrated),
                         self.sends.eq(~self.calibrated | self.start | self.latch)]
            with m.If(self.start | self.latch):
                m.d.sync += [self.command.kind.eq(Kind.MPC),
                             self.command.op.eq(Mux(self.latch, ZQCAL_LATCH, ZQCAL_START))]
        return m

    def _steps(self):
        """RESET_n, CKE, command, cycles to wait before the next."""
        config = self._config
        t = config.timing(derated=True)

        def memory_clocks(clocks):
            return -(-clocks // config.ratio)

        nothing = {"kind": Kind.NOP, "ma": 0, "op": 0}
        return [
            (0, 0, nothing, config.cycles(RESET_NS) // config.init_divisor + config.cycles(CKE_LOW_NS)),
            (1, 0, nothing, config.cycles(RESET_TO_CKE_NS) // config.init_divisor + 1),
            (1, 1, nothing, config.cycles(CKE_TO_COMMAND_NS)),
            *((1, 1, {"kind": Kind.MRW, "ma": ma, "op": op}, memory_clocks(t.MRW))
              for ma, op in mode_registers(config).items()),
            (1, 1, {"kind": Kind.MPC, "ma": 0, "op": ZQCAL_START}, config.cycles(CALIBRATION_NS)),
            (1, 1, {"kind": Kind.MPC, "ma": 0, "op": ZQCAL_LATCH}, memory_clocks(t.ZQLAT)),
        ]
