"""Builds the simulated chip; the result is cached by the content of everything that goes into it."""

import hashlib
import subprocess
from pathlib import Path

from amaranth.back import verilog

from dojang_hdl.config import ChipConfig
from dojang_hdl.node.node import Node

from ..memory import DPI_SOURCES
from ..toolchain import ToolchainError, build_environment, cache_root
from .top import NODE_MODULE, ChipTop

__all__ = ["MEMORY_LATENCY", "build_chip"]

MEMORY_LATENCY = 32
"""Cycles from a read command to its first word in the ideal memory."""

TOP = "chip_top"
MAIN = Path(__file__).with_name("main.cpp")

# Inlining the nodes would compile each of them anew and overflow the instruction cache.
FLAGS = ("--cc", "--exe", "--build", "-j", "2", "-O3", "-fno-inline", "--x-assign", "fast", "--x-initial", "fast",
         "--no-timing", "-Wno-fatal", "-Wno-lint", "-Wno-style")


def build_chip(config: ChipConfig, *, trace: bool = False, latency: int = MEMORY_LATENCY) -> Path:
    """The executable for ``config``, built unless the same one is in the cache.

    A model with ``trace`` can write a VCD and runs much slower. Raises `ToolchainError` with the end of the log when
    Verilator or the compiler fails.
    """
    node = verilog.convert(Node(config), name=NODE_MODULE, strip_internal_attrs=True)
    top = verilog.convert(ChipTop(config, latency), name=TOP, strip_internal_attrs=True)
    flags = list(FLAGS)
    if trace:
        flags += ["--trace", "-CFLAGS", '-DDOJANG_TRACE=\'"verilated_vcd_c.h"\' -DDOJANG_TRACE_TYPE=VerilatedVcdC']
    digest = hashlib.sha256("\0".join((node, top, *flags)).encode())
    for source in (MAIN, *DPI_SOURCES):
        digest.update(source.read_bytes())
    folder = cache_root() / "chips" / f"{config.name}-{digest.hexdigest()[:16]}"
    executable = folder / "objects" / f"V{TOP}"
    if executable.exists():
        return executable
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "node.v").write_text(node)
    (folder / "top.v").write_text(top)
    command = ["verilator", *flags, "--top-module", TOP, "--Mdir", str(folder / "objects"),
               str(folder / "top.v"), str(folder / "node.v"), *map(str, DPI_SOURCES), str(MAIN)]
    result = subprocess.run(command, env=build_environment(), cwd=folder, capture_output=True, text=True)
    if result.returncode:
        (folder / "build.log").write_text(result.stdout + result.stderr)
        executable.unlink(missing_ok=True)
        raise ToolchainError(f"building chip {config.name} failed, see {folder / 'build.log'}: "
                             f"{(result.stderr or result.stdout).strip()[-400:]}")
    return executable
