"""Builds the simulated chip; the result is cached by the content of everything that goes into it."""

import hashlib
import os
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import amaranth
import dojang_hdl
from dojang_hdl.config import ChipConfig
from dojang_hdl.node.node import Node

from ..memory import SOURCES, IdealMemory
from ..netlist import to_verilog
from ..toolchain import ToolchainError, build_environment, build_lock, cache_root
from ..waves import hide_internal
from .top import NODE_MODULE, ChipTop

__all__ = ["MEMORY_LATENCY", "build_chip"]

MEMORY_LATENCY = 32
"""Cycles from a read command to its first word in the ideal memory."""

TOP = "chip_top"
MAIN, GATE = (Path(__file__).with_name(name) for name in ("main.cpp", "clock_gate.v"))

OPTIMIZE = "-O2"  # 30 % faster than -O1; -O3 gains nothing

# Inlining the nodes would compile each of them anew and overflow the instruction cache.
FLAGS = ("--cc", "--exe", "--build", "-j", "2", "-O3", "-fno-inline", "--x-assign", "fast", "--x-initial", "0",
         "--no-timing", "-Wno-fatal", "-Wno-lint", "-Wno-style")


def _sources(trace: bool) -> list[Path]:
    """Everything the model is made from; converting it anew to find out would take longer than most simulations."""
    hardware = sorted(Path(dojang_hdl.__file__).parent.rglob("*.py"))
    code = [to_verilog, ChipTop.elaborate, IdealMemory.storage] + [hide_internal] * trace
    return [*hardware, MAIN, GATE, *SOURCES, *(Path(function.__code__.co_filename) for function in code)]


def build_chip(config: ChipConfig, *, trace: bool = False, latency: int = MEMORY_LATENCY, pauses: int = 0,
               on_build: Callable[[], None] = lambda: None) -> Path:
    """The executable for ``config``, built unless the same one is in the cache; ``on_build`` is called if it is not.

    A model with ``trace`` can write a VCD and runs much slower. ``latency`` and ``pauses`` are those of
    the memories. Raises `ToolchainError` with the first error when Verilator or the compiler fails.
    """
    flags = list(FLAGS)
    if trace:
        flags += ["--trace", "-CFLAGS", '-DDOJANG_TRACE=\'"verilated_vcd_c.h"\' -DDOJANG_TRACE_TYPE=VerilatedVcdC']
    digest = hashlib.sha256(repr((config, latency, pauses, flags, OPTIMIZE, amaranth.__version__)).encode())
    for source in _sources(trace):
        digest.update(source.read_bytes())
    folder = cache_root() / "chips" / f"{config.name}-{digest.hexdigest()[:16]}"
    executable = folder / "objects" / f"V{TOP}"
    with build_lock(folder):
        if not executable.exists():
            on_build()
            with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
                _build(Path(scratch), ChipTop(config, latency, pauses), trace, flags)
                os.replace(scratch, folder)  # at once, so that an interrupted build leaves no half a model
                Path(scratch).mkdir()
    return executable


def _build(folder: Path, top: ChipTop, trace: bool, flags: list[str]) -> None:
    for name, component in (NODE_MODULE, Node(top.config, gated=True)), (TOP, top):
        text = to_verilog(component, name, flatten=not trace)
        (folder / f"{name}.v").write_text(hide_internal(text) if trace else text)
    command = ["verilator", *flags, "--top-module", TOP, "--Mdir", "objects", f"{TOP}.v", f"{NODE_MODULE}.v",
               str(GATE), *map(str, SOURCES), str(MAIN)]
    result = subprocess.run(command, env=build_environment(OPTIMIZE), cwd=folder, capture_output=True, text=True)
    if result.returncode:
        output = (result.stdout + result.stderr).splitlines()
        reason = next((line for line in output if "error" in line.lower()), "no message")
        raise ToolchainError(f"building chip {top.config.name} failed: {reason.strip()}")
