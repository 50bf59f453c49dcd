"""The program ``dojang``: Ctrl-C and the standard streams are made safe before anything large is loaded."""

import os

try:
    import sys

    from .interrupts import INTERRUPTED, end_children, interrupts
except KeyboardInterrupt:
    os._exit(130)

__all__ = ["main"]


def main() -> None:
    """Run the command line and exit with its code."""
    interrupts.install()
    try:
        code = _run()
    except KeyboardInterrupt:
        code = INTERRUPTED
    interrupts.ignore()
    if interrupts.pending:
        end_children()
        code = INTERRUPTED
    sys.exit(code)


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
            return end.code if isinstance(end.code, int) else 0
        raise AssertionError("the command line ends with SystemExit")
    except OutputError as error:
        if str(error):
            print(f"dojang: {error}", file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    main()
