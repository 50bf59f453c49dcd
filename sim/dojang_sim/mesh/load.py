"""Meshes of routers under full load, fast enough for 8 × 8: who gets how much, and how long a flit takes."""

import hashlib
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from amaranth.lib.wiring import Component
from dojang_hdl.mesh.flit import DataFlit, RequestFlit

from ..executable import FLAGS, OPTIMIZE, build_executable
from ..netlist import to_verilog
from ..toolchain import cache_root

__all__ = ["Arrivals", "build_mesh", "run_mesh"]

TOP = "router"
MAIN = Path(__file__).with_name("main.cpp")


@dataclass(frozen=True)
class Arrivals:
    """Flits of one sender at one receiver: ``flits`` while all sent, ``wait`` cycles at most from offer to arrival."""

    flits: int
    wait: int


def build_mesh(router: Component) -> Path:
    """A program that joins models of ``router`` to a mesh; cached by content.

    Nothing leads from an input of a router to an output of it within a cycle, so one model is called for each node.
    """
    flit = DataFlit if router.i_local.payload.shape() == DataFlit else RequestFlit
    texts = {f"{TOP}.v": to_verilog(router, TOP, flatten=True),
             "layout.h": f"constexpr unsigned STAMP = {flit['payload'].offset};\n"}
    digest = hashlib.sha256(repr((texts, FLAGS, OPTIMIZE)).encode() + MAIN.read_bytes())
    return build_executable(cache_root() / "meshes" / digest.hexdigest()[:16], TOP, lambda: texts, (MAIN,),
                            title="a mesh of routers")


def run_mesh(program: Path, width: int, height: int, senders: Mapping[int, Sequence[int]], *, cycles: int,
             warmup: int = 0, stall: float = 0.0, seed: int = 1) -> dict[tuple[int, int], Arrivals]:
    """`Arrivals` by (receiver, sender) of ``cycles`` in which each of ``senders`` always offers one of its flits.

    Ports are numbered: node ``y * width + x``, then the edges, ``width * height + y``. A sender's flits are sent
    in turn. Flits are counted from cycle ``warmup`` on; the wait is that of all. ``stall``: chance that a receiver
    takes nothing in a cycle.
    """
    text = "".join(f"{port} {' '.join(f'{flit:x}' for flit in flits)}\n" for port, flits in senders.items())
    result = subprocess.run([program, *map(str, (width, height, cycles, warmup, round(256 * stall), seed))], input=text,
                            capture_output=True, text=True, check=True)
    lines = [tuple(map(int, line.split())) for line in result.stdout.splitlines()]
    return {(receiver, sender): Arrivals(flits, wait) for receiver, sender, flits, wait in lines}
