"""What LiteDRAM's LPDDR4 model says of whatever drives a `PhyPort`: builds, runs and judges the bench.

The other end of the pins is one component with ``clk`` and ``pins``; a different device model takes `LitedramDevice`'s
place there.
"""

import hashlib
import os
import subprocess
import tempfile
from pathlib import Path

from amaranth.hdl import ClockDomain, Module
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from dojang_hdl.lpddr4.phy import BEAT_BITS
from dojang_hdl.lpddr4.timing import Lpddr4Config

from ..netlist import to_verilog
from ..toolchain import ToolchainError, build_environment, build_lock, cache_root, run_tool
from .litedram_model import LitedramDevice, litedram_verilog
from .opinion import Opinion
from .serializer import SOURCES, Serializer

__all__ = ["second_opinion"]

TOP, BENCH = "second_opinion", "opinion_bench"
MAIN = Path(__file__).with_name(f"{TOP}.v")
FLAGS = ("--binary", "--timing", "-j", "1", "-CFLAGS", "-std=c++20", "-O3", "--x-assign", "fast", "--x-initial", "0",
         "-Wno-fatal", "-Wno-lint", "-Wno-style")


class _Bench(wiring.Component):
    """``driver``, PHY and memory; the ports are what second_opinion.v looks at."""

    def __init__(self, driver: wiring.Component, config: Lpddr4Config):
        self._driver, self._config = driver, config
        beats = data.ArrayLayout(BEAT_BITS, 2 * config.ratio)
        super().__init__({
            "clk": In(1), "controller_clk": Out(1), "ck": Out(1), "cs": Out(1), "ca": Out(6), "dqs_i": Out(2),
            "write": Out(beats), "mask": Out(data.ArrayLayout(2, 2 * config.ratio)), "write_valid": Out(1),
            "read": Out(beats), "read_valid": Out(1), "done": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.driver = driver = self._driver
        m.submodules.serializer = serializer = Serializer(self._config)
        m.submodules.device = device = LitedramDevice()
        m.domains.sync = sync = ClockDomain(reset_less=True)
        wiring.connect(m, driver.phy, serializer.phy)
        wiring.connect(m, serializer.pins, device.pins)
        m.d.comb += [
            serializer.clk.eq(self.clk), device.clk.eq(self.clk),
            sync.clk.eq(serializer.controller_clk), self.controller_clk.eq(serializer.controller_clk),
            self.done.eq(driver.done)]
        m.d.comb += [getattr(self, name).eq(getattr(serializer.pins, name)) for name in ("ck", "cs", "ca", "dqs_i")]
        m.d.comb += [getattr(self, name).eq(getattr(serializer.phy, name))
                     for name in ("write", "mask", "write_valid", "read", "read_valid")]
        return m


def second_opinion(driver: wiring.Component, config: Lpddr4Config, *, sources: tuple[Path, ...] = (),
                   arguments: tuple[str, ...] = (), cycles: int = 1_000_000) -> Opinion:
    """Run ``driver`` against LiteDRAM's model until it is done, and say what the model made of it.

    Parameters
    ----------
    driver: a component with ``phy``, a `PhyPort` as the controller sees it, and an output ``done``, high when the last
        read data has come back. Its clock is ``sync``; it starts from its initial values.
    config: the channel; RL at most 18, that is up to 1600 Mb/s, else `ValueError`.
    sources: Verilog that the driver needs.
    arguments: of the simulation, as ``+name=value``.
    cycles: controller cycles after which the bench gives up.

    Raises `ToolchainError` if the bench cannot be built, `RuntimeError` if it ends before ``done``. Needs litedram.
    """
    executable = _build(_Bench(driver, config), config, (*SOURCES, MAIN, *sources))
    result = subprocess.run([str(executable), f"+limit={cycles}", *arguments], capture_output=True, text=True)
    if result.returncode:
        raise RuntimeError(f"second opinion: {(result.stdout + result.stderr).strip()[-400:]}")
    return Opinion.of_log(result.stdout, config)


def _build(bench: _Bench, config: Lpddr4Config, sources: tuple[Path, ...]) -> Path:
    """The executable of ``bench``, built unless the same one is in the cache."""
    texts = {BENCH: to_verilog(bench, BENCH), "litedram_lpddr4": litedram_verilog(config)}
    digest = hashlib.sha256(repr((texts, FLAGS)).encode())
    for source in sources:
        digest.update(source.read_bytes())
    folder = cache_root() / "opinions" / digest.hexdigest()[:16]
    executable = folder / "objects" / f"V{TOP}"
    with build_lock(folder):
        if not executable.exists():
            with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
                for name, text in texts.items():
                    (Path(scratch) / f"{name}.v").write_text(text)
                command = ["verilator", *FLAGS, f"-GRATIO={config.ratio}", "--top-module", TOP, "--Mdir", "objects",
                           *(f"{name}.v" for name in texts), *map(str, sources)]
                result = run_tool(command, env=build_environment(), cwd=scratch)
                if result.returncode:
                    raise ToolchainError(f"building the second opinion failed: {result.stderr.strip()[:400]}")
                os.replace(scratch, folder)  # at once, so that an interrupted build leaves no half a model
                Path(scratch).mkdir()
    return executable
