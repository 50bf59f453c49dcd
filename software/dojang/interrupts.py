"""Ctrl-C ends the program with 130, quietly, whatever it is doing.

Only light modules of the standard library are imported: `dojang.main` installs this before anything else is loaded.
"""

import os
import signal
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum

__all__ = ["INTERRUPTED", "Interrupts", "interrupts"]

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""

PATIENCE_S = 1.0
"""After the first Ctrl-C; one that comes later does not wait for the clean end any more."""

NOTE = b"stopped by Ctrl-C\n"
SHOW_CURSOR = b"\r\x1b[?25h"
"""Progress bars hide it."""


class Reaction(Enum):
    LEAVE = "there is nothing to save: the process ends at once"
    RAISE = "KeyboardInterrupt, once"
    HOLD = "something is being finished: KeyboardInterrupt comes after it"


class Interrupts:
    """What SIGINT does. Until `install` nothing is changed, and Python raises KeyboardInterrupt each time."""

    def __init__(self):
        self._reaction = Reaction.LEAVE
        self._first: float | None = None
        self._raised = False

    @property
    def pending(self) -> bool:
        """Ctrl-C was pressed and not forgotten."""
        return self._first is not None

    def install(self) -> None:
        """Leave at once from now on. A process that was started with SIGINT ignored keeps it so."""
        if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
            signal.signal(signal.SIGINT, self._handle)
        usual = sys.unraisablehook

        def unraisable(found):
            if issubclass(found.exc_type, KeyboardInterrupt):  # in a destructor or a callback, which loses it
                leave()
            usual(found)

        sys.unraisablehook = unraisable
        sys.excepthook = _quietly(sys.excepthook)

    def raise_from_now(self) -> None:
        """KeyboardInterrupt at the first Ctrl-C; further ones within `PATIENCE_S` are the same one."""
        self._reaction = Reaction.RAISE

    def ignore(self) -> None:
        """The work is done: what is left is the end of the interpreter."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def forget(self) -> None:
        """The last Ctrl-C has been answered; the next one is a first one again."""
        self._first, self._raised = None, False

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let something short be finished; a Ctrl-C in it raises KeyboardInterrupt at its end."""
        before, self._reaction = self._reaction, Reaction.HOLD
        try:
            yield
        finally:
            self._reaction = before
        if self.pending and not self._raised:
            self._raise()

    def _handle(self, *_) -> None:
        if self._first is not None:
            if time.monotonic() - self._first > PATIENCE_S:
                leave()
            return
        self._first = time.monotonic()
        if self._reaction is Reaction.LEAVE:
            leave()
        if self._reaction is Reaction.RAISE:
            self._raise()

    def _raise(self) -> None:
        self._raised = True
        warnings.simplefilter("ignore")  # what is left half made is no news
        raise KeyboardInterrupt


def leave():
    """End this process and those it has started, without any clean-up."""
    end_children()
    note()
    os._exit(INTERRUPTED)


def note() -> None:
    """Say that it was Ctrl-C."""
    try:
        os.write(2, (SHOW_CURSOR if os.isatty(2) else b"") + NOTE)
    except OSError:
        pass  # nobody listens


def end_children(pid: int | None = None) -> None:
    """Kill the descendants of a process (this one), as far as the system lists them (Linux)."""
    pid = os.getpid() if pid is None else pid
    try:
        children = [child for thread in os.listdir(f"/proc/{pid}/task") for child in _children(pid, thread)]
    except OSError:
        return
    for child in children:
        end_children(child)
        try:
            os.kill(child, signal.SIGKILL)
        except OSError:
            pass  # it was quicker


def _children(pid: int, thread: str) -> list[int]:
    with open(f"/proc/{pid}/task/{thread}/children", encoding="ascii") as file:
        return [int(child) for child in file.read().split()]


def _quietly(usual):
    def hook(kind, value, traceback):
        if issubclass(kind, KeyboardInterrupt):  # printed by C code inside an import
            leave()
        usual(kind, value, traceback)
    return hook


interrupts = Interrupts()
"""Of this process."""
