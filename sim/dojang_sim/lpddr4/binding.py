"""The device model as a shared library, driven from Python without a simulator."""

import ctypes
import functools
import os
from pathlib import Path

from ..toolchain import ToolchainError, build_lock, require_system_tools, run_tool
from .checker import Verdict
from .commands import Command, Event
from .compiled import CODES, device_source
from .devicespec import DeviceSpec

__all__ = ["CompiledChecker", "CompiledDevice", "library"]

POINTER, TEXT, LONG, INT = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_longlong, ctypes.c_int
FUNCTIONS = {
    "open_phy": (POINTER, INT, TEXT, INT, INT, INT),
    "open_pins": (POINTER, INT, TEXT),
    "close": (None, POINTER),
    "clock": (INT, POINTER, INT, INT, ctypes.POINTER(INT)),
    "configure": (INT, POINTER, TEXT),
    "now": (LONG, POINTER),
    "count": (LONG, POINTER, TEXT),
    "breach": (TEXT, POINTER, LONG),
    "checker": (POINTER, TEXT),
    "checker_close": (None, POINTER),
    "write_mode": (None, POINTER, INT, INT),
    "issue": (INT, POINTER, LONG, INT, INT, ctypes.POINTER(LONG), ctypes.POINTER(TEXT)),
}


@functools.cache
def library(source: Path | None = None) -> ctypes.CDLL:
    """The compiled model, built unless the same one is in the cache; ``source`` as `device_source` gives it."""
    source = source or device_source()
    path = source.with_suffix(".so")
    with build_lock(path):
        if not path.exists():
            require_system_tools()
            draft = path.with_suffix(f".{os.getpid()}")
            result = run_tool(["g++", "-std=c++17", "-O2", "-Wall", "-Wextra", "-fPIC", "-shared", "-o", str(draft),
                               str(source)])
            if result.returncode:
                raise ToolchainError(f"building the LPDDR4 model failed: {result.stderr.strip()[:400]}")
            os.replace(draft, path)
    loaded = ctypes.CDLL(str(path))
    for name, (result_type, *arguments) in FUNCTIONS.items():
        function = getattr(loaded, f"dojang_lpddr4_{name}")
        function.restype, function.argtypes = result_type, arguments
    return loaded


class CompiledChecker:
    """The rules between commands as the compiled model has them; as `Checker` with the device's rules."""

    def __init__(self, spec: DeviceSpec):
        self._library = library()
        self._handle = self._library.dojang_lpddr4_checker(str(spec).encode())
        if not self._handle:
            raise ValueError(f"spec is {spec}, expected one of eight banks")

    def issue(self, time: int, command: Command | Event, bank: int) -> Verdict:
        earliest, rule = LONG(), TEXT()
        ok = self._library.dojang_lpddr4_issue(self._handle, time, CODES.index(command), bank, ctypes.byref(earliest),
                                               ctypes.byref(rule))
        return Verdict(bool(ok), None if earliest.value < 0 else earliest.value, rule.value and rule.value.decode())

    def write_mode(self, register: int, operand: int) -> None:
        self._library.dojang_lpddr4_write_mode(self._handle, register, operand)

    def __del__(self):
        if handle := getattr(self, "_handle", None):
            self._library.dojang_lpddr4_checker_close(handle)


class CompiledDevice:
    """A channel clock by clock, without a front's delays.

    Parameters
    ----------
    spec: the part.
    channel: names the environment variables that are read, as for `PhyDevice`.
    options: as in ``DOJANG_LPDDR4_<channel>``.

    Raises ValueError if the image or an option cannot be used; the reason is on stderr.
    """

    def __init__(self, spec: DeviceSpec, channel: int = 0, options: str = ""):
        self._library = library()
        self._beats = INT()
        # Ratio, shift and latency belong to the front, which is not used.
        self._handle = self._library.dojang_lpddr4_open_phy(channel, str(spec).encode(), 4, 0, 1)
        if not self._handle or not self._library.dojang_lpddr4_configure(self._handle, options.encode()):
            raise ValueError(f"channel {channel} with options \"{options}\" cannot be opened")

    def clock(self, ca: int = 0, cs: bool = False, *, cke: bool = True, reset_n: bool = True,
              write: int | None = None, mask: int = 0) -> int | None:
        """One tCK with two beats of data in 32 bits, the earlier one low; ``mask`` is DMI of the beats, 2 bits each.

        Returns two beats if the device drives them.
        """
        control = ca | cs << 6 | cke << 7 | reset_n << 8 | (write is not None) << 9 | mask << 10
        beats = write or 0
        flags = self._library.dojang_lpddr4_clock(self._handle, control, beats - (beats >> 31 << 32),
                                                  ctypes.byref(self._beats))
        return self._beats.value & 0xFFFFFFFF if flags & 1 else None

    @property
    def now(self) -> int:
        return self._library.dojang_lpddr4_now(self._handle)

    def count(self, name: str) -> int:
        """``breaches``, ``turnarounds``, commands by name, refreshes of bank n as ``refreshes<n>``."""
        return self._library.dojang_lpddr4_count(self._handle, name.encode())

    def breaches(self) -> list[str]:
        """The lines reported so far."""
        lines = []
        while line := self._library.dojang_lpddr4_breach(self._handle, len(lines)):
            lines.append(line.decode())
        return lines

    def close(self) -> None:
        """Write the statistics and let the image go."""
        if handle := self.__dict__.pop("_handle", None):
            self._library.dojang_lpddr4_close(handle)

    def __del__(self):
        self.close()
