"""``dojang chat`` through pipes and on a terminal: history, commands, Ctrl-C, ends."""

import os
import pty
import select
import signal
import subprocess
import sys
import time

import pytest
from dojang.checkpoints import load
from dojang.cli import app
from dojang.sessions.golden import GoldenSession
from dojang.tokenizer import Tokenizer
from typer.testing import CliRunner

DOJANG = [sys.executable, "-m", "dojang.main", "chat"]


def chat(model, text, *options):
    return CliRunner().invoke(app, ["chat", model, "--backend", "golden", *options], input=text)


def answer(model, prompt, count):
    """What the golden model says, from a session of its own."""
    checkpoint = load(model)
    tokenizer, session = Tokenizer(checkpoint.tokenizer), GoldenSession(checkpoint, 200)
    ids = tokenizer.encode(prompt)
    rows, tokens = session.prefill(ids), []
    while len(tokens) < count:
        candidates = rows[-1].candidates
        assert candidates is not None
        tokens.append(int(candidates[0][0]))
        rows = [session.decode(tokens[-1])]
    return tokenizer.decode(tokens)


def test_what_was_said_before_is_known(talking):
    first = answer(talking, "user:ab|assistant:", 3)
    second = answer(talking, f"user:ab|assistant:{first}|user:c|assistant:", 3)
    result = chat(talking, "ab\n\nc\n", "--tokens", "3")
    assert (result.exit_code, result.stdout) == (0, f"{first}\n{second}\n")


def test_commands(talking):
    first = answer(talking, "system:s|user:ab|assistant:", 3)
    result = chat(talking, "ab\n /reset\nab\n/exit\nab\n", "--tokens", "3", "--system", "s")
    assert (result.exit_code, result.stdout) == (0, f"{first}\n{first}\n")


def test_the_end_of_the_context_is_told(talking):
    result = chat(talking, "ab\n", "--context", "25")
    assert result.exit_code == 0 and "the answer ends because the context is full, 25 positions" in result.stderr


def test_a_message_that_does_not_fit(talking):
    result = chat(talking, "x" * 200 + "\n")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "dojang: the prompt has 216 tokens, longer than the context of 200\n"


def test_lines_that_are_not_utf_8(talking):
    result = subprocess.run([*DOJANG, talking, "--backend", "golden", "--tokens", "3"], input=b"a\xff\r\n",
                            capture_output=True, timeout=60)
    assert result.returncode == 0
    assert result.stdout.decode() == answer(talking, "user:a\ufffd|assistant:", 3) + "\n"


def test_without_a_template_nothing_is_loaded(chained):
    result = chat(chained, "")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "dojang: the model has no chat template, give it a plain prompt\n"


class Terminal:
    """The command behind a pseudo-terminal."""

    def __init__(self, *arguments):
        self.pid, self.terminal = pty.fork()
        if not self.pid:
            os.execv(DOJANG[0], [*DOJANG, *map(str, arguments)])

    def until(self, text, timeout_s=30.0):
        found, end = b"", time.monotonic() + timeout_s
        while text not in found and time.monotonic() < end:
            if select.select([self.terminal], [], [], 0.1)[0]:
                try:
                    found += os.read(self.terminal, 4096)
                except OSError:
                    break
        assert text in found, found
        return found

    def send(self, data):
        os.write(self.terminal, data)

    def exit_code(self, timeout_s=20.0):
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            time.sleep(0.05)
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            if ended:
                os.close(self.terminal)
                return os.waitstatus_to_exitcode(status)
        os.kill(self.pid, signal.SIGKILL)
        raise AssertionError("it goes on")


@pytest.mark.parametrize("key, code", [(b"\x04", 0), (b"\x03", 130)])
def test_on_a_terminal(endless, key, code):
    terminal = Terminal(endless, "--backend", "golden", "--tokens", 16000)
    terminal.until(b"> ")
    terminal.send(b"abc\n")
    terminal.until(b"abc\r\n")
    time.sleep(1.0)
    terminal.send(b"\x03")  # stops the answer, which goes on for minutes
    assert b"Traceback" not in terminal.until(b"\n> ")
    terminal.send(b"/reset\n")
    terminal.until(b"> ")
    time.sleep(0.5)  # Ctrl-C between the prompt and the reading of the line is seen with the next key
    terminal.send(key)
    assert terminal.exit_code() == code
