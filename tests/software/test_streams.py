"""Standard streams in real processes: any encoding, no reader, no space, closed."""

import os
import subprocess
import sys

import pytest
from dojang.streams import BROKEN_PIPE

DOJANG = [sys.executable, "-m", "dojang.main"]


def run(*arguments, shell="", **environment):
    """The command, with redirections of the shell behind it."""
    return subprocess.run(["sh", "-c", f'"$@" {shell}', "sh", *DOJANG, *arguments], capture_output=True, timeout=60,
                          env={**os.environ, **environment})


@pytest.mark.parametrize("encoding, arguments", [
    ("ascii:strict", ("--help",)), ("latin-1", ("chip", "sim-2x2")), ("euc-kr", ("inspect", "glassllm")),
    ("utf-16-le", ("bench", "--help")),
], ids=str)
def test_every_encoding_takes_every_text(encoding, arguments):
    result = run(*arguments, PYTHONIOENCODING=encoding)
    assert (result.returncode, result.stderr) == (0, b"")
    assert result.stdout.decode(encoding.partition(":")[0]).strip()


def test_tables_are_plain_where_there_is_only_ascii():
    text = run("inspect", "glassllm", PYTHONIOENCODING="ascii").stdout.decode("ascii")
    assert "heads x KV heads x size" in text and "4 x 2 x 32" in text and "?" not in text


def test_a_locale_without_utf_8():
    result = run("inspect", "glassllm", LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
    assert result.returncode == 0 and b"heads x KV heads" in result.stdout


CODE = """
import sys
from dojang.streams import OutputError, open_streams
open_streams()
for stream in (sys.stdout, sys.stderr):
    stream.write({text!r})
    stream.flush()
"""


@pytest.mark.parametrize("text, encoding, expected", [
    ("a – b × 2 → 3", "ascii", b"a - b x 2 -> 3"), ("한글 😀", "ascii", b"?? ?"), ("é – 한", "latin-1", b"\xe9 - ?"),
    ("한 – 글", "euc-kr", "한 - 글".encode("euc-kr")), ("m\udcff.gguf", "utf-8", b"m\\xff.gguf"),
    ("\ud800", "utf-8", b"?"), ("한 – 😀", "utf-8", "한 – 😀".encode()),
])
def test_what_a_stream_lacks_is_replaced(text, encoding, expected):
    result = subprocess.run([sys.executable, "-c", CODE.format(text=text)], capture_output=True, timeout=30,
                            env={**os.environ, "PYTHONIOENCODING": encoding})
    assert (result.returncode, result.stdout, result.stderr) == (0, expected, expected)


def test_nobody_reads_on():
    result = subprocess.run(["bash", "-c", 'set -o pipefail; "$@" | head -c 3', "bash", *DOJANG, "generate", "glassllm",
                           "--prompt", "Once", "--backend", "golden", "--tokens", "200"], capture_output=True,
                          timeout=60)
    assert (result.returncode, len(result.stdout)) == (BROKEN_PIPE, 3)
    assert not any(word in result.stderr for word in (b"Traceback", b"Broken", b"ignored"))


GENERATE = ("generate", "glassllm", "--prompt", "Once", "--backend", "golden", "--tokens", "3")


@pytest.mark.parametrize("arguments, shell, reason", [
    (GENERATE, ">&-", "it is closed"), (("--help",), ">/dev/full", "No space left on device"),
    (("inspect", "glassllm"), ">/dev/full", "No space left on device"),
    (GENERATE, ">/dev/full", "No space left on device"),
], ids=str)
def test_standard_output_takes_nothing(arguments, shell, reason):
    result = run(*arguments, shell=shell)
    assert result.returncode == 2
    assert result.stderr.decode().splitlines()[-1] == f"dojang: cannot write standard output: {reason}"
    assert b"Traceback" not in result.stderr and b"ignored" not in result.stderr


@pytest.mark.parametrize("shell", ["2>&-", "2>/dev/full", "<&-"])
def test_the_other_streams_may_be_missing(shell):
    result = run(*GENERATE, shell=shell)
    assert result.returncode == 0 and result.stdout.endswith(b"\n") and len(result.stdout) > 3


def test_files_do_not_take_the_place_of_closed_streams(tmp_path):
    """Messages would be written into them."""
    code = "from dojang.streams import open_streams; open_streams(); print(open('new', 'w').fileno() > 2)"
    result = subprocess.run(["sh", "-c", '"$@" 2>&- <&-', "sh", sys.executable, "-c", code], capture_output=True,
                            cwd=tmp_path, timeout=30)
    assert result.stdout == b"True\n"
