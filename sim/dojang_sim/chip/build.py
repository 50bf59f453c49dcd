"""Builds the simulated chip; the result is cached by the content of everything that goes into it."""

import hashlib
import inspect
from collections.abc import Callable
from pathlib import Path

import amaranth
import dojang_hdl
from dojang_hdl.config import ChipConfig
from dojang_hdl.node.node import Node

from ..executable import FLAGS, OPTIMIZE, TRAINED, Library, build_executable
from ..netlist import to_verilog
from ..profile.taps import chip_taps, public_signals, tap_table
from ..toolchain import cache_root
from ..waves import hide_internal
from . import node_model
from .memories import IDEAL, Memories
from .node_model import PackedNode
from .top import NODE_MODULE, ChipTop

__all__ = ["build_chip"]

TOP = "chip_top"
MAIN, GATE = (Path(__file__).with_name(name) for name in ("main.cpp", "clock_gate.v"))
SAMPLER = Path(inspect.getfile(chip_taps)).with_name("sampler.h")

# What is worth inlining yosys has flattened.
CHIP_FLAGS = (*FLAGS, "-fno-inline")


def _sources(memories: Memories, trace: bool, profile: bool) -> list[Path]:
    """Everything the model is made from; converting it anew to find out would take longer than most simulations."""
    hardware = sorted(Path(dojang_hdl.__file__).parent.rglob("*.py"))
    code = [to_verilog, ChipTop, PackedNode, *memories.components] + [hide_internal] * trace + [chip_taps] * profile
    own = [MAIN, GATE, *node_model.SOURCES] + [SAMPLER] * profile
    return [*hardware, *own, *memories.sources, *(Path(inspect.getfile(item)) for item in code)]


def build_chip(config: ChipConfig, *, trace: bool = False, profile: bool = False, memories: Memories = IDEAL,
               train: Callable[[Path], object] | None = None, on_build: Callable[[], None] = lambda: None) -> Path:
    """The executable for ``config``, built unless the same one is in the cache; ``on_build`` is called if it is not.

    A model with ``trace`` can write a VCD and runs much slower; one with ``profile`` can record its taps. Both have
    their nodes inside, in other models these are `NodeModel`. ``train`` is given an executable to run as the chip will
    be run: one for which that was done is much faster, and takes more than twice as long to build. Raises
    `ToolchainError` with the first error when Verilator or the compiler fails.
    """
    flags = list(CHIP_FLAGS)
    if trace:
        flags += ["--trace", "-CFLAGS", '-DDOJANG_TRACE=\'"verilated_vcd_c.h"\' -DDOJANG_TRACE_TYPE=VerilatedVcdC']
    if profile:
        flags += ["--vpi", "-CFLAGS", "-DDOJANG_PROFILE"]
    options = TRAINED if train else OPTIMIZE
    digest = hashlib.sha256(repr((config, memories, flags, options, amaranth.__version__)).encode())
    for source in _sources(memories, trace, profile):
        digest.update(source.read_bytes())
    folder = cache_root() / "chips" / f"{config.name}-{digest.hexdigest()[:16]}"

    def inside() -> dict[str, str]:
        texts = {f"{name}.v": to_verilog(part, name, flatten=not trace)
                 for name, part in ((TOP, ChipTop(config, memories)), (NODE_MODULE, Node(config, gated=True)))}
        if trace:
            texts = {name: hide_internal(text) for name, text in texts.items()}
        if profile:
            places = chip_taps(config, memories.guarded)
            texts |= {"taps.vlt": public_signals(places, TOP, NODE_MODULE), "taps.h": tap_table(places),
                      SAMPLER.name: SAMPLER.read_text()}
        return texts

    if trace or profile:
        return build_executable(folder, TOP, inside, (GATE, *memories.sources, MAIN), flags=flags,
                                title=f"chip {config.name}", train=train, on_build=on_build)
    return build_executable(
        folder, TOP, lambda: {f"{TOP}.v": to_verilog(ChipTop(config, memories, apart=True), TOP, flatten=True)},
        (*node_model.SOURCES, *memories.sources, MAIN), libraries=lambda: [_node(config)], flags=flags,
        title=f"chip {config.name}", train=train, on_build=on_build)


def _node(config: ChipConfig) -> Library:
    """Chips that differ elsewhere share it."""
    text = to_verilog(PackedNode(config), NODE_MODULE, flatten=True)
    return Library(NODE_MODULE, {f"{NODE_MODULE}.v": text}, (GATE,), f"a node of {config.name}")
