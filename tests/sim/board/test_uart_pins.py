"""The wires of the UART, and the serial port behind which they are."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from amaranth.hdl import Signal

BAUDS = (115_200, 921_600, 3_000_000, 12_000_000)


def loopback(m, platform, rx, tx, leds):
    """Each level comes back one clock later. LEDs: clocks from the first falling edge to the last one."""
    last, started, now = Signal(init=1), Signal(), Signal(32)
    m.d.sync += [last.eq(rx), now.eq(now + 1), tx.eq(rx)]
    with m.If(last & ~rx):
        m.d.sync += started.eq(1)
        with m.If(~started):
            m.d.sync += now.eq(1)
        with m.Else():
            m.d.sync += leds.eq(now)


@pytest.mark.parametrize("baud", BAUDS)
def test_every_byte_comes_back(simulate, talk, baud):
    pins, data = simulate(loopback, "loopback"), bytes(range(256))
    assert talk(pins, baud, data) == data
    traffic = pins.stop()
    assert (traffic.bytes_to_chip, traffic.bytes_from_chip, traffic.bad_stop_bits) == (256, 256, 0)
    assert traffic.baud == baud
    assert traffic.clocks >= 256 * 10 * 75_000_000 // baud


@pytest.mark.parametrize("baud", BAUDS)
def test_bytes_follow_each_other_at_the_exact_rate(simulate, talk, baud):
    """Ones only: each byte has one falling edge, that of its start bit."""
    pins, count = simulate(loopback, "loopback"), 1000
    assert talk(pins, baud, b"\xff" * count) == b"\xff" * count
    traffic = pins.stop()
    assert traffic.bytes_to_chip == count
    assert traffic.leds == pytest.approx((count - 1) * 10 * 75_000_000 / baud, abs=1)


def test_a_host_at_another_speed_reads_nonsense(simulate, talk):
    def slower(m, platform, rx, tx, leds):
        """Break: longer than any byte."""
        count = Signal(16)
        m.d.sync += count.eq(count + 1)
        m.d.comb += tx.eq(count[-1])

    pins = simulate(slower, "break")
    assert b"\0" in talk(pins, 3_000_000, b"x", 2.0)
    assert pins.stop().bad_stop_bits


def test_a_host_may_come_go_and_come_again(simulate, talk):
    pins = simulate(loopback, "loopback")
    for baud, data in zip(BAUDS, (b"once", b"more", b"and", b"again"), strict=True):
        assert talk(pins, baud, data) == data


def test_time_stands_still_while_nobody_speaks(simulate, talk):
    pins = simulate(loopback, "loopback")
    talk(pins, 3_000_000, b"hello")
    time.sleep(10)   # much longer than the 2^24 cycles after which it does
    assert talk(pins, 3_000_000, b"still there") == b"still there"
    traffic = pins.stop()
    assert traffic.cpu_seconds < 0.7 * traffic.seconds


def test_it_ends_with_its_parent(simulate, tmp_path):
    executable = simulate(loopback, "loopback").executable
    script = (f"import sys, os; from pathlib import Path; from dojang_sim.board.simulation import RunningPins\n"
              f"pins = RunningPins(Path({str(executable)!r}), 1)\n"
              f"print(pins.process_id, flush=True)\nos._exit(0)")
    started = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    process = Path(f"/proc/{int(started.stdout)}")
    deadline = time.monotonic() + 20
    while process.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not process.exists() or "zombie" in (process / "status").read_text()


def test_a_model_that_cannot_start_is_named(tmp_path):
    from dojang_sim.board.simulation import RunningPins
    from dojang_sim.toolchain import ToolchainError

    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\nexit 3\n")
    os.chmod(broken, 0o700)
    with pytest.raises(ToolchainError, match="the simulated board has ended with exit code 3"):
        RunningPins(broken, 1)
