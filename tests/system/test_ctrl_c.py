"""Ctrl-C at the terminal while the chip works: the text so far, no traceback, no simulator left behind."""

import json
import os
import signal
import subprocess
import sys

DOJANG = [sys.executable, "-m", "dojang.main"]


def test_ctrl_c_reaches_only_the_command(tmp_path):
    summary = tmp_path / "s.json"
    command = [*DOJANG, "generate", "glassllm", "--prompt", "Once", "--tokens", "100", "--chip", "sim-1x1",
               "--json", summary]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
    assert process.stdout.read(1), process.stderr.read()  # text has begun to come
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the whole group
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130, error
    assert b"Traceback" not in error and b"stopped by Ctrl-C" in error
    figures = json.loads(summary.read_text())
    assert 1 <= len(figures["tokens"]) < 100 and figures["ended"] == "interrupt"
    assert figures["golden_match"] is True
    assert figures["dram_utilization"] > 0 and figures["simulated_hz"] > 0
