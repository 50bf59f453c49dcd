"""The program ``dojang``: Ctrl-C and the standard streams are made safe before anything large is loaded."""

import os

try:
    import atexit
    import sys

    from .interrupts import INTERRUPTED, end_children, interrupts, note
except KeyboardInterrupt:
    os._exit(130)

__all__ = ["main"]


def main() -> None:
    """Run the command line and exit with its code."""
    interrupts.install()
    try:
        code = _run()
    except KeyboardInterrupt:  # outside of commands, which say so themselves
        note()
        code = INTERRUPTED
    interrupts.ignore()
    if interrupts.pending:
        _end()
    sys.exit(code)


def _end():
    """Exit with `INTERRUPTED`, without the end of the interpreter.

    It would wait for threads that go on, warn of what is half made, and raise SIGINT once more if KeyboardInterrupt has
    passed through an `exec`.
    """
    atexit._run_exitfuncs()  # removes temporary folders
    end_children()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            pass  # nobody reads it any more
    os._exit(INTERRUPTED)


def _run() -> int:
    from .streams import OutputError, open_streams

    try:
        open_streams()
        from .cli import app

        interrupts.raise_from_now()
        try:
            app()
        except SystemExit as end:
            sys.stdout.flush()
            return end.code if isinstance(end.code, int) else int(end.code is not None)
        raise AssertionError("the command line ends with SystemExit")
    except OutputError as error:
        if str(error):
            print(f"dojang: {error}", file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    main()
