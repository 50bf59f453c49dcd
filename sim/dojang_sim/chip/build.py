"""Builds the simulated chip; the result is cached by the content of everything that goes into it."""

import hashlib
import inspect
from collections.abc import Callable
from pathlib import Path

import amaranth
import dojang_hdl
from dojang_hdl.config import ChipConfig
from dojang_hdl.node.node import Node

from ..executable import FLAGS, OPTIMIZE, build_executable
from ..netlist import to_verilog
from ..profile.taps import chip_taps, public_signals, tap_table
from ..toolchain import cache_root
from ..waves import hide_internal
from .memories import IDEAL, Memories
from .top import NODE_MODULE, ChipTop

__all__ = ["build_chip"]

TOP = "chip_top"
MAIN, GATE = (Path(__file__).with_name(name) for name in ("main.cpp", "clock_gate.v"))
SAMPLER = Path(inspect.getfile(chip_taps)).with_name("sampler.h")

# Inlining the nodes would compile each of them anew and overflow the instruction cache.
CHIP_FLAGS = (*FLAGS, "-fno-inline")


def _sources(memories: Memories, trace: bool, profile: bool) -> list[Path]:
    """Everything the model is made from; converting it anew to find out would take longer than most simulations."""
    hardware = sorted(Path(dojang_hdl.__file__).parent.rglob("*.py"))
    code = [to_verilog, ChipTop, *memories.components] + [hide_internal] * trace + [chip_taps] * profile
    own = [MAIN, GATE] + [SAMPLER] * profile
    return [*hardware, *own, *memories.sources, *(Path(inspect.getfile(item)) for item in code)]


def build_chip(config: ChipConfig, *, trace: bool = False, profile: bool = False, memories: Memories = IDEAL,
               on_build: Callable[[], None] = lambda: None) -> Path:
    """The executable for ``config``, built unless the same one is in the cache; ``on_build`` is called if it is not.

    A model with ``trace`` can write a VCD and runs much slower; one with ``profile`` can record its taps. Raises
    `ToolchainError` with the first error when Verilator or the compiler fails.
    """
    flags = list(CHIP_FLAGS)
    if trace:
        flags += ["--trace", "-CFLAGS", '-DDOJANG_TRACE=\'"verilated_vcd_c.h"\' -DDOJANG_TRACE_TYPE=VerilatedVcdC']
    if profile:
        flags += ["--vpi", "-CFLAGS", "-DDOJANG_PROFILE"]
    digest = hashlib.sha256(repr((config, memories, flags, OPTIMIZE, amaranth.__version__)).encode())
    for source in _sources(memories, trace, profile):
        digest.update(source.read_bytes())
    folder = cache_root() / "chips" / f"{config.name}-{digest.hexdigest()[:16]}"

    def generate() -> dict[str, str]:
        top, texts = ChipTop(config, memories), {}
        for name, component in (TOP, top), (NODE_MODULE, Node(config, gated=True)):
            text = to_verilog(component, name, flatten=not trace)
            texts[f"{name}.v"] = hide_internal(text) if trace else text
        if profile:
            places = chip_taps(config, memories.guarded)
            texts |= {"taps.vlt": public_signals(places, TOP, NODE_MODULE), "taps.h": tap_table(places),
                      SAMPLER.name: SAMPLER.read_text()}
        return texts

    return build_executable(folder, TOP, generate, (GATE, *memories.sources, MAIN), flags=flags,
                            title=f"chip {config.name}", on_build=on_build)
