"""The blocks that are placed alone, their figures as JSON, and the tables made from it."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from amaranth.lib import wiring
from dojang_hdl.config import preset
from dojang_hdl.engine import Engine
from dojang_hdl.guard.guard import Guard
from dojang_hdl.lpddr4.controller import Controller
from dojang_hdl.lpddr4.timing import Lpddr4Config
from dojang_hdl.mesh.router import DataRouter
from dojang_hdl.node.node import Node
from dojang_hdl.vector import VectorUnit

from .synth import DEVICE, place_alone, tool_versions

__all__ = ["BLOCKS", "TARGET_MHZ", "Block", "measure"]

TARGET_MHZ = 75.0
"""What every block must reach."""


@dataclass(frozen=True)
class Block:
    """Something to place alone."""

    title: str
    create: Callable[[], wiring.Component]


BLOCKS = {
    "engine": Block("engine, one lane, one context", lambda: Engine(preset("small-node"))),
    "vector": Block("vector unit", VectorUnit),
    "router": Block("data router of an 8 × 8 mesh", lambda: DataRouter(8, 8)),
    "lpddr4": Block("LPDDR4 controller, 533 Mb/s, ratio 4", lambda: Controller(Lpddr4Config(rate=533))),
    "guard": Block("guard of a memory channel, tiles of 128 words", lambda: Guard(preset("sim-2x2").chunk)),
    "node": Block("whole node, preset small-node", lambda: Node(preset("small-node"))),
}
"""By the name that ``dojang report`` takes."""


def measure(names: Iterable[str], folder: Path, seeds=(1,), known: dict | None = None, timeout: float = 3600,
            progress: Callable[[str], None] = lambda step: None) -> dict:
    """Place the named `BLOCKS` one after the other; returns the report with their figures replaced in ``known``.

    Netlists and logs go to a folder per block in ``folder``.
    """
    blocks = dict((known or {}).get("blocks", {}))
    for name in names:
        started = time.monotonic()
        figures, seed = place_alone(BLOCKS[name].create(), folder / name, seeds, TARGET_MHZ, timeout,
                                    lambda step, name=name: progress(f"{name}: {step}"))
        blocks[name] = {"title": BLOCKS[name].title, **figures.as_json(), "seed": seed,
                        "seconds": round(time.monotonic() - started)}
    return {"device": DEVICE, "target_mhz": TARGET_MHZ, "tools": tool_versions(),
            "blocks": {name: blocks[name] for name in BLOCKS if name in blocks}}
