"""The third stage: nextpnr, seed after seed until the clocks are fast enough."""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..tools import NEXTPNR, POLL, Process
from .netlist import TOP, Netlist
from .stage import Stage
from .synthesis import Synthesis

__all__ = ["OPTIONS", "Clock", "Placement", "place"]

OPTIONS = ("--placer", "static", "--router", "router1")
"""Of nextpnr; docs/reference/boards.md has the figures behind the choice."""


@dataclass(frozen=True)
class Clock:
    constraint_mhz: float
    fmax_mhz: float

    @property
    def met(self) -> bool:
        return self.fmax_mhz >= self.constraint_mhz


@dataclass(frozen=True)
class Placement:
    """A placed and routed design: nextpnr's ``report``, and what ecppack takes."""

    design: Netlist
    config: Path
    report: dict
    seed: int
    seconds: float

    @property
    def clocks(self) -> dict[str, Clock]:
        """By the name of their net, the core clock as "sync"; and if the design says so, the ways between two clocks,
        which nextpnr does not constrain.
        """
        fmax = self.report["fmax"]
        clocks = {self._clock(net): Clock(round(clock["constraint"], 2), round(clock["achieved"], 2))
                  for net, clock in fmax.items()}
        for path in self.report["critical_paths"] if self.design.synchronous else ():
            ends = [path[end].removeprefix("posedge ") for end in ("from", "to")]
            if ends[0] != ends[1] and all(end in fmax for end in ends):
                ns = sum(step["delay"] for step in path["path"])
                clocks[" to ".join(map(self._clock, ends))] = Clock(
                    round(max(fmax[end]["constraint"] for end in ends), 2), round(1e3 / ns, 2))
        return clocks

    def _clock(self, net: str) -> str:
        core = abs(self.report["fmax"][net]["constraint"] * 1e6 / self.design.clock_hz - 1) < 1e-3
        return "sync" if core else net.removeprefix("$glbnet$")

    @property
    def timing_met(self) -> bool:
        return all(clock.met for clock in self.clocks.values())

    @property
    def margin(self) -> float:
        """Of the worst clock: what it reaches, in parts of what it must."""
        return min(clock.fmax_mhz / clock.constraint_mhz for clock in self.clocks.values())


def place(design: Netlist, synthesis: Synthesis, seeds: Sequence[int], root: Path, together: int | None = None,
          progress: Callable[[str], None] = lambda step: None) -> Placement:
    """The first seed of ``seeds`` that meets timing, otherwise the best one; each is kept in ``root`` by content.

    ``together`` of them run side by side, one a core if None (but two at most: each needs 2 GB); the others are
    stopped as soon as one is good enough.
    """
    together = min(2, os.cpu_count() or 1) if together is None else together
    waiting = [(_stage(design, synthesis, seed, root), seed) for seed in seeds]
    results, running = [], []
    try:
        while waiting or running:
            while waiting and len(running) < together:
                stage, seed = waiting.pop(0)
                if not stage.complete:
                    running.append((stage, seed, _start(design, synthesis, stage, seed)))
                elif (found := _result(design, stage, seed)).timing_met:
                    return found
                else:
                    results.append(found)
            for job in list(running):
                stage, seed, process = job
                if process.done(POLL / len(running)):
                    running.remove(job)
                    stage.finish()
                    results.append(_result(design, stage, seed))
                    if results[-1].timing_met:
                        return results[-1]
            if running:
                progress(f"place and route, seed {' and '.join(str(seed) for _, seed, _ in running)}, "
                         f"{running[0][0].elapsed:.0f} s, {_step(running[0][2].log)}")
    finally:
        for _, _, process in running:
            process.stop()
    return max(results, key=lambda result: result.margin)


def _stage(design, synthesis, seed, root):
    return Stage(root, "place", NEXTPNR.version, repr((design.device, OPTIONS)), str(seed), design.constraints,
                 synthesis.json)


def _start(design, synthesis, stage, seed) -> Process:
    stage.begin((design.constraints, synthesis.json))
    return Process(NEXTPNR, stage.folder, "nextpnr.log", *design.device, *OPTIONS, "--seed", str(seed),
                   "--json", synthesis.json.name, "--lpf", design.constraints.name, "--textcfg", f"{TOP}.config",
                   "--report", "report.json", "--timing-allow-fail")


def _result(design, stage, seed) -> Placement:
    report = json.loads((stage.folder / "report.json").read_text())
    return Placement(design, stage.folder / f"{TOP}.config", report, seed, stage.seconds)


def _step(log: Path) -> str:
    """What nextpnr does now: the last of its headings."""
    lines = log.read_text(errors="replace").splitlines()
    return next((line.removeprefix("Info: ").strip(" .") for line in reversed(lines)
                 if line.startswith("Info: ") and line.endswith("...")), "starting")
