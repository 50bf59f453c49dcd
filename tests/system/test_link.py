"""The link between driver and simulated chip: damaged, silent, dead, and the wrong chip at its other end."""

import json
import random
import shutil
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from dojang.checkpoints import load
from dojang.driver import LinkError, LinkTimeout, PipeTransport, Transport, TransportError
from dojang.sessions import device, open_session, simulated
from dojang_hdl.config import preset
from dojang_sim.chip import build

CHIP = preset("sim-1x1")
CONTEXT = 32


class Line(Transport):
    """Another transport: what is written passes through ``sent``, what is read through ``received``."""

    def __init__(self, inner: Transport, sent, received):
        self.inner, self.sent, self.received = inner, sent, received

    def write(self, data):
        data = self.sent(data)
        if data:
            self.inner.write(data)

    def read(self, maximum, timeout_s):
        return self.received(self.inner.read(maximum, timeout_s))

    def close(self):
        self.inner.close()


@pytest.fixture
def line(monkeypatch):
    """``line(damage, timeout_s)`` makes the sessions opened from now on use a damaged line, in both directions."""
    spawn = PipeTransport.spawn

    def install(damage, timeout_s, received=None):
        monkeypatch.setattr(PipeTransport, "spawn",
                            lambda *args, **options: Line(spawn(*args, **options), damage, received or damage))
        monkeypatch.setattr(simulated, "LINK_TIMEOUT_S", timeout_s)
    return install


@pytest.fixture(scope="module")
def checkpoint():
    return load("glassllm")


class Noise:
    """Damages bytes by a flipped bit, loss or foreign bytes, one of ``apart`` on average; counts them.

    What comes in pieces, as it does on a loaded machine, is not damaged more often.
    """

    def __init__(self, seed, apart):
        self.rng, self.apart, self.faults = random.Random(seed), apart, 0

    def __call__(self, data):
        return b"".join(self._damaged(byte) if self.rng.random() * self.apart < 1 else bytes((byte,)) for byte in data)

    def _damaged(self, byte):
        self.faults += 1
        kind = self.rng.randrange(4)
        if kind == 0:
            return b""
        if kind == 1:
            return self.rng.randbytes(3) + bytes((byte,))
        return bytes((byte ^ 1 << self.rng.randrange(8),))


def test_a_noisy_line_changes_nothing(checkpoint, line):
    sent, received = Noise(3, 80), Noise(4, 480)  # an answer has up to 180 bytes
    line(sent, 3.0, received)
    with open_session(checkpoint, CHIP, compare_golden=True, context=CONTEXT) as session:
        steps = session.prefill([5, 600, 7])
        for token in (1, 300, 44):
            steps.append(session.decode(token))
        counters = session._device.counters()
    assert all(step.golden_match for step in steps)
    assert sent.faults >= 3 and received.faults >= 3
    assert counters["host_resent"] >= 3, counters
    assert counters["host_naks"] + counters["host_timeouts"] + counters["host_corrupt"] >= counters["host_resent"]
    assert counters["chip_corrupt"] + counters["chip_skipped"] + counters["chip_truncated"] > 0, counters
    assert counters["chip_resent"] > 0, "some request was executed whose response was lost"


def test_a_silent_line_is_named(checkpoint, line):
    cut = False
    line(lambda data: b"" if cut else data, 0.05)
    with open_session(checkpoint, CHIP, context=CONTEXT) as session:
        cut = True
        with pytest.raises(LinkTimeout, match=r"the chip does not answer RUN: silent for 8 attempts of 0\.05 s"):
            session.decode(5)


def test_a_line_of_nothing_but_noise_is_named(checkpoint, line):
    rng = random.Random(1)
    line(lambda data: rng.randbytes(len(data)), 0.05)
    with pytest.raises(LinkError, match=r"no intact answer to IDENTIFY after 8 attempts: the link is too noisy|silent"):
        open_session(checkpoint, CHIP, context=CONTEXT)


def test_a_dead_chip_is_named(checkpoint, monkeypatch):
    monkeypatch.setattr(build, "build_chip", lambda *args, **options: Path(shutil.which("true")))
    with pytest.raises(TransportError, match="the chip's process has"):
        open_session(checkpoint, CHIP, context=CONTEXT)


def test_another_chip_than_the_image_was_made_for_is_refused(checkpoint, monkeypatch):
    other = build.build_chip(CHIP)
    monkeypatch.setattr(build, "build_chip", lambda *args, **options: other)
    with pytest.raises(LinkError, match=r"the chip is not sim-2x2: width is 1, expected 2; height is 1, expected 2$"):
        open_session(checkpoint, replace(preset("sim-2x2"), channel_mib=CHIP.channel_mib), context=CONTEXT)


def test_a_run_that_never_ends_is_named_and_a_reset_ends_it(checkpoint):
    with open_session(checkpoint, CHIP, compare_golden=True, context=CONTEXT) as session:
        expected = session.decode(5)
        assert expected.golden_match
    with open_session(checkpoint, CHIP, context=CONTEXT) as session:
        program = session.image.programs[1]
        session.image.programs[1] = replace(program, words=16)  # its beginning: reads are on their way, END never comes
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(device, "RUN_TIMEOUT_S", 0.5)
            with pytest.raises(LinkTimeout,
                               match=r"the run has not ended after 0.5 s: 0 nodes are done after \d+ cycles"):
                session.decode(5)
        session.image.programs[1] = program
        session._device.reset()
        np.testing.assert_array_equal(session.decode(5).logits, expected.logits)


def test_a_slow_host_changes_no_cycle(checkpoint, monkeypatch, tmp_path):
    """The clock stands while the chip waits, from before the first word on: when it comes decides nothing."""
    spawn, cycles = PipeTransport.spawn, []
    for pause in (0.0, 0.1):
        stats = tmp_path / f"{pause}.json"

        def slow(data, pause=pause):
            time.sleep(pause)
            return data

        monkeypatch.setattr(PipeTransport, "spawn", lambda command, stats=stats, slow=slow, **options: Line(
            spawn([*command, "--stats", str(stats)], **options), slow, lambda data: data))
        with open_session(checkpoint, CHIP, context=CONTEXT) as session:
            session.prefill([5, 600, 7])
            session.decode(1)
        cycles.append(json.loads(stats.read_text())["cycles"])
    assert cycles[0] == cycles[1]
