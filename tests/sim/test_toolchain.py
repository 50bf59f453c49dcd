"""The cache of built models where it cannot be written, and tools that are interrupted."""

import errno
import os
import signal
import subprocess
import sys
import time

import pytest
from dojang_sim.executable import build_executable
from dojang_sim.toolchain import ToolchainError, build_lock, cache_root, run_tool, writing_cache


def test_the_cache_is_where_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.setenv("DOJANG_CACHE", str(tmp_path))
    assert cache_root() == tmp_path
    monkeypatch.chdir(tmp_path)
    for value in ("", None):
        monkeypatch.setenv("DOJANG_CACHE", value) if value is not None else monkeypatch.delenv("DOJANG_CACHE")
        assert cache_root() == tmp_path / "build" / "verilated"


@pytest.mark.parametrize("place, reason", [("/proc/nope", "No such file or directory"),
                                           ("/dev/null/x", "Not a directory")])
def test_a_cache_that_cannot_be_made(monkeypatch, place, reason):
    monkeypatch.setenv("DOJANG_CACHE", place)
    with pytest.raises(ToolchainError) as found:
        build_executable(cache_root() / "chips" / "one", "top", dict, (), title="a chip")
    assert str(found.value) == (f"the cache folder {place}/chips cannot be written: {reason} (the environment variable "
                                "DOJANG_CACHE names another)")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EDQUOT])
def test_a_cache_that_is_full(tmp_path, number):
    with pytest.raises(ToolchainError, match=f"the cache folder {tmp_path} cannot be written: {os.strerror(number)}"):
        with build_lock(tmp_path / "one"):
            raise OSError(number, os.strerror(number))


def test_what_has_nothing_to_do_with_the_cache_is_left_alone(tmp_path):
    with pytest.raises(FileNotFoundError):
        with writing_cache(tmp_path / "cache"):
            open("/none/such")


def test_what_is_built_is_taken_without_writing(tmp_path, monkeypatch):
    program = tmp_path / "one" / "objects" / "Vtop"
    program.parent.mkdir(parents=True)
    program.write_text("")
    assert build_executable(tmp_path / "one", "top", dict, (), title="a chip") == program
    assert [path.name for path in tmp_path.iterdir()] == ["one"]  # no lock


def test_what_a_tool_says():
    result = run_tool([sys.executable, "-c", "import sys; print(input()); sys.exit('no')"], input="yes\n")
    assert (result.returncode, result.stdout, result.stderr) == (1, "yes\n", "no\n")


def test_all_that_a_tool_started_ends_with_it(tmp_path):
    """As make and its compilers do."""
    inner = f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    outer = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}])"
    code = f"from dojang_sim.toolchain import run_tool\nimport sys\nrun_tool([sys.executable, '-c', {outer!r}])"
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, start_new_session=True)
    end = time.monotonic() + 20
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        assert time.monotonic() < end
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    pid = int((tmp_path / "pid").read_text())
    while time.monotonic() < end:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.02)
    raise AssertionError("it is still there")
