"""What is printed is printed as it is: names are no markup, no emoji and no commands to the terminal."""

import pytest
from dojang.checkpoints import ModelShape
from dojang.checkpoints.synthetic import write_synthetic
from dojang.cli import app
from dojang.cli.console import PlainConsole, printable, progress_bar, working
from rich.table import Table
from typer.testing import CliRunner

NAMES = ["model [q8_0] (1)", "a[bold]b", "[/]", ":smile:", "한글 모델", "x" * 120]


@pytest.fixture(autouse=True)
def no_columns(monkeypatch):
    """It would go before the width of a test."""
    monkeypatch.delenv("COLUMNS", raising=False)


def printed(*objects, width=200):
    console = PlainConsole()
    console.width = width
    with console.capture() as found:
        console.print(*objects)
    return found.get()


@pytest.mark.parametrize("name", NAMES)
def test_names_alone_and_in_tables(name):
    table = Table(name, title=name)
    table.add_row(name)
    assert printed(name) == name + "\n"
    assert printed(table).count(name) == 3


def test_lines_are_not_folded():
    assert printed("word " * 50, width=20) == "word " * 50 + "\n"


def test_nothing_controls_the_terminal():
    assert printable("a\x1b[31mb\x07\r\x9b\u202e\tc\nd") == "a\\x1b[31mb\\x07\\r\\x9b\\u202e\tc\nd"
    assert printed("a\x1b]0;title\x07") == "a\\x1b]0;title\\x07\n"


@pytest.mark.parametrize("name", NAMES[:4])
@pytest.mark.parametrize("terminal", [False, True])
def test_status_lines_and_bars(name, terminal, monkeypatch, capsys):
    if terminal:
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("TERM", "xterm")
    with working(name) as progress:
        progress(name)
    with progress_bar() as bar:
        bar.add_task(name, total=1)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("name", ["model [q8_0] (1).gguf", "a[bold]b.gguf", ":smile:.gguf"])
def test_names_of_files_in_messages_and_errors(tmp_path, name):
    shape = ModelShape(layers=1, d=64, heads=2, kv_heads=1, head_dim=32, ffn=96, vocab=260, context=24)
    path = write_synthetic(tmp_path / name, shape, "F16")
    result = CliRunner().invoke(app, ["generate", str(path), "--backend", "golden", "--prompt", "a", "--tokens", "1"])
    assert result.exit_code == 0 and f"{name}: head quantised from F16" in result.stderr
    assert f"{name} on sim-2x2" in result.stderr
    assert name in CliRunner().invoke(app, ["inspect", str(path)]).stdout
    missing = str(tmp_path / "none" / name)
    result = CliRunner().invoke(app, ["inspect", missing])
    assert result.exit_code == 2 and missing in result.stderr and result.stderr.count("\n") == 1
