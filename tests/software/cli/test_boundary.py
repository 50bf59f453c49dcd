"""Which errors become a sentence, and that a defect does not."""

import pytest
import typer
from dojang.checkpoints import CheckpointError
from dojang.cli import app as dojang
from dojang.cli.boundary import ErrorBoundary
from dojang.driver.link import LinkTimeout
from dojang.driver.transport import TransportError
from dojang_fpga.memory.core import CoreError
from dojang_hdl.config import ConfigError
from dojang_sim.toolchain import ToolchainError
from typer.testing import CliRunner


def run(error):
    app = typer.Typer(cls=ErrorBoundary)

    @app.command()
    def fail():
        raise error

    @app.command()
    def other():
        """Keeps `app` a group."""

    return CliRunner().invoke(app, ["fail"])


@pytest.mark.parametrize("kind", [CheckpointError, ConfigError, LinkTimeout, TransportError, ToolchainError,
                                  CoreError])
def test_expected_errors_are_one_line(kind):
    result = run(kind("something is\n  missing"))
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", "dojang: something is missing\n")


@pytest.mark.parametrize("error, sentence", [
    (OSError(28, "No space left on device", "/tmp/x [y]"), "/tmp/x [y]: No space left on device"),
    (OSError(24, "Too many open files"), "the system: Too many open files"),
    (MemoryError("Unable to allocate 3 GiB"), "not enough memory: Unable to allocate 3 GiB"),
    (MemoryError(), "not enough memory"),
])
def test_what_the_system_refuses_is_one_line(error, sentence):
    result = run(error)
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"dojang: {sentence}\n")


def test_a_defect_is_not_hidden():
    assert isinstance(run(ZeroDivisionError("oops")).exception, ZeroDivisionError)


def test_a_value_that_is_none_is_one_line():
    app = typer.Typer(cls=ErrorBoundary)

    @app.command()
    def take(number: int):
        """Never reached."""

    @app.command()
    def other():
        """Keeps `app` a group."""

    result = CliRunner().invoke(app, ["take", "many"])
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert result.stderr.startswith("dojang: number") and "'many'" in result.stderr and "integer" in result.stderr


@pytest.mark.parametrize("arguments, sentence", [
    (("--foo",), "no such option: --foo"), (("nope",), "no such command 'nope'."),
    (("generate",), "missing argument 'MODEL'."), (("generate", "m", "--foo"), "no such option: --foo"),
    (("generate", "m", "n [q8_0]"), "got unexpected extra argument(s) (n [q8_0])"),
    (("generate", "m", "--tokens"), "option '--tokens' requires an argument."),
    (("generate", "m", "--backend", "z"), "--backend 'z': 'z' is not one of 'rtl', 'golden', 'fast'."),
])
def test_what_cannot_be_understood_is_one_line(arguments, sentence):
    result = CliRunner().invoke(dojang, arguments)
    assert (result.exit_code, result.stdout, result.stderr.lower()) == (2, "", f"dojang: {sentence}\n".lower())


@pytest.mark.parametrize("arguments", [(), ("bench",)])
def test_help_is_no_error_to_be_told(arguments):
    result = CliRunner().invoke(dojang, arguments)
    assert "Usage" in result.output and "dojang: " not in result.output
