"""Power-up: what happens on the pins, in which order, and how long the waits are."""

from fractions import Fraction

import pytest
from dojang_hdl.lpddr4.command import Kind
from dojang_hdl.lpddr4.initialise import Initialiser, mode_registers
from dojang_hdl.lpddr4.timing import Lpddr4Config
from dojang_sim.benches.mutation import mutate
from dojang_sim.benches.streams import run

ORDER = ["reset_n", "cke", *(("MRW", register) for register in (1, 2, 3, 11, 12, 13, 14)), ("MPC", 0b1001111),
         ("MPC", 0b1010001), "calibrate"]

# Before each step: ns that the divisor shortens, further ns, least tCK. JESD209-4.
INIT1_INIT2, INIT3, INIT5 = (200_000, 10, 0), (2_000_000, 0, 0), (0, 2_000, 0)
MRD, ZQCAL, ZQLAT = (0, 14, 10), (0, 1_000, 0), (0, 30, 10)
WAITS = [INIT1_INIT2, INIT3, INIT5, *7 * [MRD], ZQCAL, ZQLAT]

# RL and WL without DBI, set A, in tCK, and nWR, by their code in MR1 and MR2
RL, WL, NWR = (6, 10, 14, 20, 24, 28, 32, 36), (4, 6, 8, 10, 12, 14, 16, 18), (6, 10, 16, 20, 24, 30, 34, 40)

MUTATIONS = {
    "tINIT1 short": ("RESET_NS = 200_000", "RESET_NS = 100_000"),
    "tINIT3 short": ("RESET_TO_CKE_NS = 2_000_000", "RESET_TO_CKE_NS = 1_900_000"),
    "tINIT5 short": ("CKE_TO_COMMAND_NS = 2_000", "CKE_TO_COMMAND_NS = 1_900"),
    "CKE with RESET": ("(1, 0, nothing, ", "(1, 1, nothing, "),
    "calibration latched early": ("CALIBRATION_NS = 1_000", "CALIBRATION_NS = 900"),
    "tMRD short": ("memory_clocks(t.MRW)", "memory_clocks(0)"),
    "registers in another order": ("14: 0x4D,                   # DQ", "0: 0x4D, 14: 0x4D,  # DQ"),
    "command repeated": ("self.command.eq(Const(0, Command.size))", "self.command.eq(self.command)"),
    "done before the training": ("self.done.eq(self.calibrated)", "self.done.eq(1)"),
    "calibrated once": ("with m.If(self.start | self.latch):", "with m.If(0):"),
    "start for latch": ("Mux(self.latch, ZQCAL_LATCH, ZQCAL_START)", "Mux(self.latch, ZQCAL_START, ZQCAL_START)"),
    "bus kept": ("self.sends.eq(~self.calibrated | self.start | self.latch)", "self.sends.eq(1)"),
    "last step left out": ("with m.Elif(at != len(steps) - 1):", "with m.Elif(at != len(steps) - 2):"),
}


def steps(initialiser, config, cycles):
    """(cycle, what) of every step up to ``done``, for which the PHY takes 20 cycles; pins may only rise."""
    dut = initialiser(config)
    found = []

    async def bench(ctx):
        cycle, pins = 0, {"reset_n": 0, "cke": 0, "calibrate": 0}
        while not ctx.get(dut.done):
            for name in pins:
                level = ctx.get(getattr(dut, name))
                assert level >= pins[name], f"{name} falls"
                if level > pins[name]:
                    found.append((cycle, name))
                pins[name] = level
            command = ctx.get(dut.command)
            kind = Kind(command.kind.value)     # a mutant's own is another class
            if kind != Kind.NOP:
                found.append((cycle, (kind.name, command.ma if kind == Kind.MRW else command.op)))
            ctx.set(dut.calibrated, pins["calibrate"] and cycle >= found[-1][0] + 20)
            await ctx.tick()
            cycle += 1
        assert cycle > found[-1][0] + 20, "done before the PHY is"
        await ctx.tick().repeat(5)
        assert ctx.get(dut.done) and not ctx.get(dut.sends) and ctx.get(dut.command).kind.value == Kind.NOP.value
        for strobe, op in (dut.start, 0b1001111), (dut.latch, 0b1010001):
            for level in (1, 0):
                ctx.set(strobe, level)
                await ctx.tick()
                command = ctx.get(dut.command)
                assert ctx.get(dut.sends) == level
                assert (command.kind.value, command.op) == ((Kind.MPC.value, op) if level else (Kind.NOP.value, 0))

    run(dut, bench, cycles=cycles)
    return found


def check(initialiser, config, cycles):
    found = steps(initialiser, config, cycles)
    assert [what for _, what in found] == ORDER
    times = [cycle for cycle, _ in found]
    starts = [-1, *times[:-1]]      # the pins leave reset a cycle before the first that is seen
    for what, (divided, ns, least), start, end in zip(ORDER, WAITS, starts, times, strict=True):
        wait, wanted = (end - start) * config.ratio, config.clocks(Fraction(divided, config.init_divisor) + ns, least)
        assert wanted <= wait <= wanted + 5 * config.ratio, f"{what} after {wait} tCK, expected {wanted}"


def test_waits_of_a_board():
    """At the slowest clock the two milliseconds are short."""
    check(Initialiser, Lpddr4Config(66), 20_000)


@pytest.mark.parametrize("rate, ratio", [(533, 8), (1600, 4), (4266, 4), (4266, 8)])
def test_waits_of_a_simulation(rate, ratio):
    check(Initialiser, Lpddr4Config(rate, ratio=ratio, init_divisor=5000), 4000)


@pytest.mark.parametrize("rate", [66, 533, 1066, 1600, 2133, 2666, 3200, 3733, 4266])
def test_mode_registers(rate, mode_registers=mode_registers):
    config = Lpddr4Config(rate)
    timing, registers = config.timing(), mode_registers(config)
    mr1, mr2, mr3 = (registers[register] for register in (1, 2, 3))
    assert NWR[mr1 >> 4] == timing.NWR
    assert mr1 & 0x0F == 0b0100         # BL16, write preamble of 2 tCK, static read preamble
    assert (RL[mr2 & 7], WL[mr2 >> 3 & 7]) == (timing.RL, timing.WL)
    assert mr2 >> 6 == 0                # WL set A, no write levelling
    assert mr3 >> 6 == 0                # no DBI
    assert mr3 & 1                      # pull-up calibrated to VDDQ / 3
    assert registers[11] == (0x04 if rate > 1600 else 0)    # DQ terminated where there is an ODTLon, CA never
    assert registers[13] == 0           # data mask on, both set points 0


def test_termination_at_any_rate_is_caught():
    broken = mutate("dojang_hdl.lpddr4.initialise", "if config.terminated else 0x00", "")
    with pytest.raises(AssertionError):
        test_mode_registers(1600, broken.mode_registers)


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_initialiser_is_caught(name):
    with pytest.raises(AssertionError):
        check(mutate("dojang_hdl.lpddr4.initialise", *MUTATIONS[name]).Initialiser,
              Lpddr4Config(1066, init_divisor=1000), 4000)
