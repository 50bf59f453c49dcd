"""Ctrl-C in real processes: always 130, one line at most, whatever the moment and however often."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import dojang
import pytest
from dojang.interrupts import INTERRUPTED, PATIENCE_S, Interrupts, end_children

PYTHON = [sys.executable, "-c"]

STARTED = """
import sys
from dojang.interrupts import interrupts
interrupts.install()
"""


def stopped(code, *delays, group=False):
    """Exit code and standard error of a program that prints a letter when it is ready for SIGINT."""
    process = subprocess.Popen([*PYTHON, STARTED + code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               start_new_session=True)
    assert process.stdout is not None and process.stdout.read(1) == "r", process.stderr
    for delay in delays:
        time.sleep(delay)
        process.send_signal(signal.SIGINT)
    rest, error = process.communicate(timeout=20)
    return process.returncode, rest, error


READY = "print('r', end='', flush=True)\n"


def test_during_imports_the_process_ends_at_once():
    assert stopped(READY + "while True: pass", 0) == (INTERRUPTED, "", "stopped by Ctrl-C\n")


def test_work_is_interrupted_once_however_often_the_key_is_pressed():
    code, rest, error = stopped(f"""
interrupts.raise_from_now()
try:
    {READY.strip()}
    while True: pass
except KeyboardInterrupt:
    import time
    end = time.monotonic() + 0.3
    while time.monotonic() < end: pass
    print("clean")
""", 0, 0.05, 0.05)
    assert (code, rest, error) == (0, "clean\n", "")


def test_who_waits_too_long_for_the_clean_end_need_not():
    code, rest, _ = stopped(f"""
interrupts.raise_from_now()
try:
    {READY.strip()}
    while True: pass
except KeyboardInterrupt:
    while True: pass
""", 0, PATIENCE_S + 0.2)
    assert (code, rest) == (INTERRUPTED, "")


def test_one_that_python_would_lose_in_a_destructor_counts():
    code, _, error = stopped(f"""
interrupts.raise_from_now()
class Slow:
    def __del__(self):
        {READY.strip()}
        while True: pass
Slow()
while True: pass
""", 0)
    assert (code, error) == (INTERRUPTED, "stopped by Ctrl-C\n")


def test_what_is_held_is_finished_first():
    code, rest, error = stopped(f"""
interrupts.raise_from_now()
import time
try:
    with interrupts.held():
        {READY.strip()}
        end = time.monotonic() + 0.3
        while time.monotonic() < end: pass
        print("whole")
except KeyboardInterrupt:
    print("then", interrupts.pending)
    interrupts.forget()
    print(interrupts.pending)
""", 0)
    assert (code, rest, error) == (0, "whole\nthen True\nFalse\n", "")


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="no list of processes")
def test_children_of_children_end():
    nested = f"import subprocess; subprocess.run({[*PYTHON, 'import time; time.sleep(60)']!r})"
    process = subprocess.Popen([*PYTHON, nested])
    threads, inner = f"/proc/{process.pid}/task/{process.pid}/children", []
    for _ in range(200):
        time.sleep(0.02)
        with open(threads) as file:
            inner = file.read().split()
        if inner:
            break
    end_children(process.pid)
    process.wait(10)
    assert inner and not os.path.exists(f"/proc/{inner[0]}/exe")


def test_nothing_that_was_interrupted_in_an_exec_is_raised_at_the_very_end(tmp_path):
    """Python ends itself with SIGINT then, after it was caught; threads that go on are not waited for."""
    package = tmp_path / "dojang" / "cli.py"
    package.parent.mkdir()
    for name in ("main", "interrupts", "streams", "errors", "__init__"):
        (package.parent / f"{name}.py").write_text((Path(dojang.__file__).parent / f"{name}.py").read_text())
    package.write_text('''
import os, sys, threading, time, tempfile, pathlib

class Unwanted:
    def __del__(self):
        import warnings
        warnings.warn("half made")

def app():
    threading.Thread(target=time.sleep, args=(60,)).start()
    folder, half = tempfile.TemporaryDirectory(dir="."), Unwanted()
    try:
        exec("os.write(1, b'r')\\nwhile True: pass")
    except KeyboardInterrupt:
        print("text")
        sys.exit(0)
''')
    process = subprocess.Popen([sys.executable, "-m", "dojang.main"], cwd=tmp_path, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": str(tmp_path)})
    assert process.stdout is not None and process.stdout.read(1) == "r"
    process.send_signal(signal.SIGINT)
    rest, error = process.communicate(timeout=20)
    assert (process.returncode, rest, error) == (INTERRUPTED, "text\n", "")
    assert [path.name for path in tmp_path.iterdir()] == ["dojang"]


def test_a_process_that_ignores_it_keeps_doing_so(monkeypatch):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    try:
        Interrupts().install()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("delays", [(0.0,), (0.02,), (0.05, 0.055), (0.15,), (0.25, 0.26, 0.27), (0.4,),
                                    (0.8, 0.81), (1.5,)],
                         ids=str)
def test_the_command_at_any_moment(tmp_path, delays):
    """From the imports over reading to decoding; the JSON is there if there was anything to write, and valid."""
    summary = tmp_path / "s.json"
    code = STARTED + READY + "from dojang.main import main\nmain()"  # Python itself has begun
    process = subprocess.Popen([*PYTHON, code, "generate", "smollm2", "--backend", "golden", "--prompt", "Once",
                                "--tokens", "100000", "--json", summary],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, text=True)
    assert process.stdout is not None and process.stdout.read(1) == "r"
    began = time.monotonic()
    for delay in delays:
        time.sleep(max(0, delay - (time.monotonic() - began)))
        process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=20)
    assert process.returncode == INTERRUPTED, error
    assert error.count("stopped by Ctrl-C") == 1 and "Traceback" not in error and "ignored" not in error
    assert not summary.exists() or json.loads(summary.read_text())["ended"] == "interrupt"
