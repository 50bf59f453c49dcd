"""Primitives of the FPGA, as tops use them: clocks of a PLL, and a bus of registered pins with a clock of its own."""

from pathlib import Path

from amaranth.hdl import Cat, ClockDomain, ClockSignal, Const, Instance, Signal
from amaranth.lib import io
from dojang_sim.board.pins import Chip

BUS_CHIP = Chip("dojang_test_bus_chip", {"bus_0__dq__io": "dq", "bus_0__clk__io": "clk"},
                (Path(__file__).with_name("bus_chip.v"),))


def clocks(m, platform, rx, tx, leds):
    """LEDs: bit 0: the PLL has locked; 1, 2: something was wrong; 8 to 15: edges of the half clock, 16 to 23: of the
    inverted clock, both up to 200.
    """
    locked, wrong, wrong_late = Signal(), Signal(), Signal()
    fast, half, late = Signal(8), Signal(8), Signal(8)
    for domain in ("fast", "half", "late"):
        m.domains += ClockDomain(domain, reset_less=True)
    m.submodules.pll = Instance(
        "EHXPLLL", p_CLKOP_DIV=5, p_CLKOP_CPHASE=4, p_CLKOS_ENABLE="ENABLED", p_CLKOS_DIV=10, p_CLKOS_CPHASE=9,
        p_CLKOS2_ENABLE="ENABLED", p_CLKOS2_DIV=5, p_CLKOS2_CPHASE=5, p_CLKOS2_FPHASE=2, p_CLKOS3_ENABLE="ENABLED",
        p_CLKOS3_DIV=1, p_FEEDBK_PATH="INT_OS3", i_CLKI=ClockSignal(), i_RST=Const(0),
        o_CLKOP=ClockSignal("fast"), o_CLKOS=ClockSignal("half"), o_CLKOS2=ClockSignal("late"), o_LOCK=locked)
    # Both domains have their edges at once: each sees the other as it was before.
    m.d.fast += fast.eq(fast + 1)
    m.d.half += half.eq(half + (half != 200))
    seen, seen_before, known = Signal(8), Signal(8), Signal(2)
    m.d.half += [seen.eq(fast), seen_before.eq(seen), known.eq(Cat(1, known))]
    with m.If(known.all() & (seen != (seen_before + 2)[:8])):
        m.d.half += wrong.eq(1)
    # What changed at a rising edge is there at the inverted clock's edge, half a period later.
    between, behind = Signal(8), Signal(8)
    m.d.late += [late.eq(late + (late != 200)), between.eq(fast)]
    m.d.fast += behind.eq(fast)
    with m.If(known.all() & (between != (behind + 1)[:8])):
        m.d.fast += wrong_late.eq(1)
    m.d.comb += [leds.eq(Cat(locked, wrong, wrong_late, Const(0, 5), half, late)), tx.eq(rx)]


def bus(m, platform, rx, tx, leds):
    """LEDs: bit 0: an answer was wrong; 8 to 23: answers."""
    pins = platform.request("bus", 0, dir="-")
    m.submodules.bus_clk = clk = io.DDRBuffer("o", pins.clk)
    m.submodules.bus_dq = dq = io.FFBuffer("io", pins.dq)
    wrong, answers, phase, value = Signal(), Signal(16), Signal(4), Signal(7)
    m.d.comb += [clk.o[1].eq(1), leds.eq(Cat(wrong, Const(0, 7), answers)), tx.eq(rx)]
    m.d.sync += phase.eq(phase + 1)
    # Out of the pins one clock later; taken by the chip half a clock on, which then drives for three clocks.
    m.d.comb += [dq.o.eq(Cat(value, phase == 3)), dq.oe.eq(phase < 4)]
    with m.If(phase == 7):
        m.d.sync += [answers.eq(answers + 1), wrong.eq(wrong | (dq.i != Cat(~value, Const(0, 1)))), value.eq(value + 3)]


def test_clocks_of_a_pll(simulate, talk):
    pins = simulate(clocks, "clocks")
    assert talk(pins, 3_000_000, b"while clocks pass") == b"while clocks pass"
    assert pins.stop().leds == 200 << 16 | 200 << 8 | 1


def test_a_bus_is_driven_from_both_ends(simulate, talk):
    pins = simulate(bus, "bus", (BUS_CHIP,))
    assert talk(pins, 3_000_000, b"while clocks pass") == b"while clocks pass"
    leds = pins.stop().leds
    assert leds & 1 == 0 and leds >> 8 > 100
