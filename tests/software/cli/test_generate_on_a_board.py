"""``dojang generate --board`` with ports behind which there is no board: one sentence each, no traceback."""

import os
import pty
import random
import re
import select
import threading
import tty

import pytest
from dojang.checkpoints import ModelShape
from dojang.checkpoints.synthetic import write_synthetic
from dojang.cli import app
from dojang.sessions import board
from dojang_sim.bridge_model import BridgeModel
from typer.testing import CliRunner

SHAPE = ModelShape(layers=1, d=64, heads=2, kv_heads=1, head_dim=32, ffn=96, vocab=260, context=24)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return str(write_synthetic(tmp_path_factory.mktemp("cli") / "small.gguf", SHAPE, "Q4_1"))


@pytest.fixture
def run(model, monkeypatch):
    monkeypatch.setattr(board, "TRIAL_S", 0.05)

    def call(*arguments):
        return CliRunner().invoke(app, ["generate", model, "--prompt", "abc", *map(str, arguments)])
    return call


class Thing:
    """Something at a serial port that answers ``answer(data)`` to what it is sent."""

    def __init__(self, answer):
        self.answer, self.ended = answer, False
        self.host, self.device = pty.openpty()
        tty.setraw(self.device)
        self.port = os.ttyname(self.device)
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self):
        while not self.ended:
            if select.select([self.host], [], [], 0.02)[0]:
                os.write(self.host, self.answer(os.read(self.host, 4096)))

    def close(self):
        self.ended = True
        self.thread.join()
        os.close(self.host)
        os.close(self.device)


@pytest.fixture
def at_a_port():
    things = []

    def put(answer):
        things.append(Thing(answer))
        return things[-1].port

    yield put
    for thing in things:
        thing.close()


def sentence(result):
    """The one line of an expected error."""
    assert result.exit_code == 2 and result.stdout == "", result.output
    (line,) = [line for line in result.stderr.splitlines() if line.strip()]
    assert line.startswith("dojang: ")
    return line.removeprefix("dojang: ")


CONFUSED = "is the bitstream loaded, and are these the port and the rate of its link?"


@pytest.mark.parametrize("options, rates", [
    (("--baud", 115_200), "115,200 baud"), ((), "any of the usual rates")], ids=["baud", "no baud"])
def test_a_port_that_answers_nothing(run, at_a_port, options, rates):
    port = at_a_port(lambda data: b"")
    assert sentence(run("--board", port, *options)) == f"nothing answers at {port} with {rates}: {CONFUSED}"


@pytest.mark.parametrize("answer", [
    lambda data: data, lambda data: b"\r\nERROR\r\n", lambda data: random.Random(len(data)).randbytes(40),
    lambda data: b"\xd0\x6a" * 20], ids=["the same", "a modem", "garbage", "beginnings of frames"])
def test_something_else_that_answers(run, at_a_port, answer):
    port = at_a_port(answer)
    assert sentence(run("--board", port, "--baud", 9600)) == (
        f"something answers, but no chip of ours at {port} with 9,600 baud: {CONFUSED}")


def identified(**changes):
    """A bridge's answers, of a chip that is otherwise."""
    bridge = BridgeModel(3, 2, 5, 1, 32, 7, fingerprint=0xABCDEF01)
    for at, value in changes.values():
        bridge.identity = bridge.identity[:at] + bytes((value,)) + bridge.identity[at + 1:]
    return bridge.feed


@pytest.mark.parametrize("answer, message", [
    (identified(magic=(0, 88)), "at {port}: what answers on this link is not a Dojang chip"),
    (identified(version=(4, 9)), "at {port}: the chip speaks version 9 of the link protocol, this driver 4"),
    (identified(), "the chip at {port} is none of this version's presets: 3x2 nodes of 5 lanes, 7 MiB, fingerprint "
                   "abcdef01")], ids=["magic", "version", "preset"])
def test_a_chip_that_is_another_one(run, at_a_port, answer, message):
    port = at_a_port(answer)
    assert sentence(run("--board", port, "--baud", 115_200)) == message.format(port=port)


def test_a_bad_port(run, tmp_path):
    port = tmp_path / "ttyUSB7"
    assert sentence(run("--board", port)).startswith(f"cannot open {port}: there is no such port (there are: ")
    port.write_text("text")
    assert sentence(run("--board", port)) == f"cannot open {port}: it is not a serial port"
    assert sentence(run("--board", "")).startswith("cannot open ")


@pytest.mark.parametrize("options", [
    ("--chip", "sim-1x1"), ("--backend", "golden"), ("--memory", "ideal"), ("--waves", "w.vcd")],
    ids=lambda options: options[0])
def test_what_contradicts_a_board(run, options):
    assert sentence(run("--board", "/dev/ttyUSB0", *options)) == (
        "--board takes the chip as it is: without --chip, --backend, --memory and --waves")


@pytest.mark.parametrize("options", [
    ("--baud", 115_200), ("--rtscts",), ("--link-timeout", 3), ("--compare-golden",)], ids=lambda options: options[0])
def test_what_needs_a_board(run, options):
    assert sentence(run(*options)) == "--baud, --rtscts, --link-timeout and --compare-golden need --board"


@pytest.mark.parametrize("option, value, expected", [
    ("--baud", "fast", "valid integer"), ("--baud", "0", "(greater than or equal to |x>=)1"),
    ("--baud", "-9600", "(greater than or equal to |x>=)1"), ("--baud", "9600.5", "valid integer"),
    ("--link-timeout", "0", r"(greater than or equal to |x>=)0\.01"),
    ("--link-timeout", "soon", "valid (number|float)")])
def test_values_that_are_none(run, option, value, expected):
    """Older versions of typer say it in other words."""
    line = sentence(run("--board", "/dev/ttyUSB0", option, value))
    assert line.startswith(option) and value in line and re.search(expected, line), line
