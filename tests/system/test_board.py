"""The real ``dojang generate --board`` on a pseudo-terminal, with the simulated chip and a line that does damage."""

import json
import os
import random
import subprocess
import sys
import time

import numpy as np
import pytest
from dojang.checkpoints import ModelShape
from dojang.checkpoints.synthetic import write_synthetic
from dojang_hdl.config import WORD_BYTES, preset
from dojang_sim.benches.host_relay import Relay
from dojang_sim.chip.build import build_chip

CHIP = preset("sim-1x1")
SHAPE = ModelShape(layers=1, d=64, heads=2, kv_heads=1, head_dim=32, ffn=96, vocab=260, context=24)
DOJANG = [sys.executable, "-c", "from dojang.cli import app; app()", "generate"]
LIMIT_S = 600
RUN_FRAME = b"\xd0\x6a\x04"


class Board:
    """A simulated chip with an empty memory, behind a port that can be pulled."""

    def __init__(self, folder):
        self.folder, self.memory = folder, folder / "channel0.bin"
        with open(self.memory, "wb") as file:
            file.truncate(CHIP.channel_words * WORD_BYTES)
        self.start()
        self.port = folder / "ttyUSB0"
        self.relay = Relay(self.port, self.ends)

    def start(self):
        self.chip = subprocess.Popen(
            [str(build_chip(CHIP))], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0,
            env=os.environ | {"DOJANG_MEMORY_0": str(self.memory)})
        self.ends = self.chip.stdout.fileno(), self.chip.stdin.fileno()

    def stop(self):
        self.chip.stdin.close()
        self.chip.wait(20)
        self.chip.stdout.close()

    def close(self):
        self.relay.close()
        self.stop()

    def command(self, model, *options, tokens=4):
        self.json = self.folder / "result.json"
        return subprocess.Popen(
            [*DOJANG, str(model), "--prompt", "abc", "--tokens", str(tokens), "--board", str(self.port), "--baud",
             "3000000", "--compare-golden", "--json", str(self.json), *options],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def finish(self, process):
        out, err = process.communicate(timeout=LIMIT_S)
        assert process.returncode == 0, err
        return out, json.loads(self.json.read_text())

    def fails(self, process):
        _, err = process.communicate(timeout=LIMIT_S)
        assert process.returncode == 2, err
        (line,) = [line for line in err.splitlines() if line.strip()]
        return line


@pytest.fixture
def board(tmp_path):
    board = Board(tmp_path)
    yield board
    board.close()


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return write_synthetic(tmp_path_factory.mktemp("model") / "small.gguf", SHAPE, "Q4_1")


@pytest.fixture(scope="module")
def text(small):
    """What the golden model says."""
    return subprocess.run([*DOJANG, str(small), "--prompt", "abc", "--tokens", "4", "--backend", "golden"],
                          stdout=subprocess.PIPE, text=True, check=True).stdout


def test_glassllm_on_a_board(board):
    text, result = board.finish(board.command("glassllm", tokens=8))
    golden = subprocess.run([*DOJANG, "glassllm", "--prompt", "abc", "--tokens", "8", "--backend", "golden"],
                            stdout=subprocess.PIPE, text=True, check=True).stdout
    assert text == golden and len(result["tokens"]) == 8
    assert result["golden_match"] is True and (result["chip"], result["backend"]) == ("sim-1x1", "board")
    first = result["board"]
    assert first["label"] == "measured" and first["tokens_per_s"] > 0 and first["upload_seconds"] > 0
    assert 0.5e6 < first["upload_bytes"] < first["image_bytes"]
    assert first["link"]["host_resent"] == first["link"]["chip_overruns"] == 0
    again, result = board.finish(board.command("glassllm", tokens=2))
    assert text.startswith(again.rstrip("\n")) and result["golden_match"] is True
    assert result["board"]["upload_bytes"] < first["upload_bytes"] / 4, "only what the session before has written"


def damage(seed, kind, rate):
    rng = random.Random(seed)

    def change(data):
        data = bytearray(data)
        at = 0
        while (at := at + 1 + int(rng.expovariate(rate))) < len(data):
            if kind == "dropped":
                del data[at]
            elif kind == "duplicated":
                data.insert(at, data[at])
            else:
                data[at] ^= 1 << rng.randrange(8)
        return bytes(data)
    return change


@pytest.mark.parametrize("kind", ["dropped", "duplicated", "corrupted"])
def test_a_bad_line_changes_nothing(board, small, text, kind):
    board.relay.to_chip, board.relay.from_chip = damage(1, kind, 1 / 4000), damage(2, kind, 1 / 2000)
    out, result = board.finish(board.command(small, "--link-timeout", "2"))
    assert out == text and result["golden_match"] is True
    link = result["board"]["link"]
    assert link["host_resent"] > 0 and link["chip_corrupt"] + link["chip_truncated"] > 0, link


def test_the_cable_is_pulled_during_the_upload(board, small, text):
    seen = []

    def pull(data):
        if not seen and board.relay.sent > 60_000:
            seen.append(board.relay.sent)
            board.relay.replug(1.0)
        return data

    board.relay.to_chip = pull
    out, result = board.finish(board.command(small))
    assert seen and out == text and result["golden_match"] is True
    assert board.relay.sent < result["board"]["image_bytes"] + seen[0], "what was there has not been sent again"


@pytest.mark.parametrize("when", ["before the run", "during the run", "after the run"])
def test_the_cable_is_pulled_during_a_token(board, small, text, when):
    runs = []

    def forward(data):
        if RUN_FRAME in data:
            runs.append(len(data))
            if len(runs) == 4 and when != "after the run":
                board.relay.replug(0.5)
                return b"" if when == "before the run" else data
        return data

    def back(data):
        if len(runs) == 4 and when == "after the run":
            runs.append(0)
            board.relay.replug(0.5)
        return data

    board.relay.to_chip, board.relay.from_chip = forward, back
    out, result = board.finish(board.command(small, "--link-timeout", "2"))
    assert len(runs) > 4 and out == text and result["golden_match"] is True


def test_a_board_that_lost_its_power_is_not_trusted(board, small):
    runs = []

    def forward(data):
        if RUN_FRAME in data:
            runs.append(1)
            if len(runs) == 4:
                board.relay.pull()
                board.stop()
                board.start()
                board.relay.connect(board.ends)
                board.relay.plug()
                return b""
        return data

    board.relay.to_chip = forward
    assert board.fails(board.command(small, "--link-timeout", "2")) == (
        "dojang: the chip was reset while the link was broken, at position 4: start again, its memory cannot be "
        "trusted")


def test_memory_that_forgets_is_named(board, small):
    """A byte changes behind the board's back after it was sent."""
    process = board.command(small)
    memory = np.memmap(board.memory, np.uint8, "r+")
    while not memory[:1 << 16].any():
        time.sleep(0.01)
    deadline = time.monotonic() + LIMIT_S
    while process.poll() is None and time.monotonic() < deadline:
        memory[100] = (int(memory[100]) + 1) % 256
        time.sleep(0.01)
    _, err = process.communicate()
    assert process.returncode == 2
    assert "the memory of channel 0 does not keep what is written to it, somewhere in bytes 0x0 to" in err


def test_one_program_at_a_time(board, small):
    with open(board.port) as port:
        import fcntl

        fcntl.flock(port, fcntl.LOCK_EX)
        assert board.fails(board.command(small)) == f"dojang: cannot open {board.port}: another program has it open"


def test_a_silent_port_is_named(board, small):
    board.relay.to_chip = lambda data: b""
    assert board.fails(board.command(small)) == (
        f"dojang: nothing answers at {board.port} with 3,000,000 baud: is the bitstream loaded, and are these the port "
        "and the rate of its link?")


@pytest.mark.parametrize("way, heard", [
    ("from_chip", "something answers, but no chip of ours"), ("to_chip", "nothing answers")])
def test_a_wrong_rate_is_named(board, small, way, heard):
    """Garbage at the host; or at the chip, which then finds no frame to answer."""
    rng = random.Random(1)
    setattr(board.relay, way, lambda data: bytes(rng.randrange(128) for _ in data))
    assert board.fails(board.command(small)).startswith(
        f"dojang: {heard} at {board.port} with 3,000,000 baud: is the bitstream loaded")
