"""The blocks that are placed alone, their figures as JSON, and the tables made from it."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from amaranth.lib import wiring
from dojang_hdl.config import preset
from dojang_hdl.engine import Engine
from dojang_hdl.engine.aligner import Aligner
from dojang_hdl.engine.decoder import WindowDecoder
from dojang_hdl.engine.group_aligner import GroupAligner
from dojang_hdl.guard.guard import Guard
from dojang_hdl.isa import Code
from dojang_hdl.lpddr4.controller import Controller
from dojang_hdl.lpddr4.timing import Lpddr4Config
from dojang_hdl.mesh.flit import DataFlit
from dojang_hdl.mesh.router import DataRouter
from dojang_hdl.node.node import Node
from dojang_hdl.vector import VectorUnit

from .hierarchy import Instance, hierarchy
from .synth import DEVICE, place_alone, tool_versions

__all__ = ["BLOCKS", "TARGET_MHZ", "Block", "locate", "measure"]

TARGET_MHZ = 80.0
"""What every block must reach, unless it says more."""


@dataclass(frozen=True)
class Block:
    """Something to place alone."""

    title: str
    create: Callable[[], wiring.Component]
    link_bits: int | None = None
    """Of a router: bits of a flit."""
    target_mhz: float = TARGET_MHZ
    """What it must reach."""


BLOCKS = {
    "engine": Block("engine, one lane, one context", lambda: Engine(preset("small-node"))),
    "engine-coded": Block("coded engine, four lanes, one context, 512 rows",
                          lambda: Engine(replace(preset("sim-2x2"), contexts=1)), target_mhz=100.0),
    "decoder": Block("its decoder of window codes and masks, four lanes", lambda: WindowDecoder(4)),
    "decoder-x2": Block("a decoder of window code X2 alone, four lanes", lambda: WindowDecoder(4, {Code.X2})),
    "aligner": Block("aligner of plain engines, one context", lambda: Aligner(1)),
    "aligner-coded": Block("aligner of coded engines: groups, transform, rounding", lambda: GroupAligner(1)),
    "vector": Block("vector unit", VectorUnit),
    "router": Block("data router of an 8 × 8 mesh", lambda: DataRouter(8, 8), DataFlit.size, target_mhz=120.0),
    "router-1x1": Block("data router of a single node", lambda: DataRouter(1, 1), DataFlit.size),
    "lpddr4": Block("LPDDR4 controller, 533 Mb/s, ratio 4", lambda: Controller(Lpddr4Config(rate=533)),
                    target_mhz=85.0),
    "guard": Block("guard of a memory channel, tiles of 128 words", lambda: Guard(preset("board-ecpix5").chunk),
                   target_mhz=85.0),
    "node": Block("whole node, preset small-node", lambda: Node(preset("small-node"))),
}
"""By the name that ``dojang report`` takes."""


def locate(names: Iterable[str], folder: Path, timeout: float = 3600,
           progress: Callable[[str], None] = lambda step: None) -> dict[str, list[Instance]]:
    """`hierarchy` of the named `BLOCKS`. Netlists and logs go to a folder per block in ``folder``."""
    return {name: hierarchy(BLOCKS[name].create(), folder / name, timeout,
                            lambda step, name=name: progress(f"{name}: {step}")) for name in names}


def _of_router(name: str, comb: int) -> dict:
    bits = BLOCKS[name].link_bits
    if bits is None:
        return {}
    return {"link_bits": bits, "comb_per_link_bit": round(comb / bits, 2), "cycles_per_hop": DataRouter.latency}


def measure(names: Iterable[str], folder: Path, seeds=(1,), known: dict | None = None, timeout: float = 3600,
            progress: Callable[[str], None] = lambda step: None) -> dict:
    """Place the named `BLOCKS` one after the other; returns the report with their figures replaced in ``known``.

    Netlists and logs go to a folder per block in ``folder``.
    """
    blocks = dict((known or {}).get("blocks", {}))
    for name in names:
        started = time.monotonic()
        block = BLOCKS[name]
        figures, seed = place_alone(block.create(), folder / name, seeds, block.target_mhz, timeout,
                                    lambda step, name=name: progress(f"{name}: {step}"))
        blocks[name] = {"title": block.title, "target_mhz": block.target_mhz, **figures.as_json(),
                        **_of_router(name, figures.comb),
                        "seed": seed, "seconds": round(time.monotonic() - started)}
    return {"device": DEVICE, "target_mhz": TARGET_MHZ, "tools": tool_versions(),
            "blocks": {name: blocks[name] for name in BLOCKS if name in blocks}}
