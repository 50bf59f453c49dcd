"""Runs a cocotb bench on an Amaranth component under Verilator; the built model is cached by content."""

import hashlib
import os
from pathlib import Path

from amaranth.lib.wiring import Component
from cocotb_tools.check_results import get_results
from cocotb_tools.runner import Verilator, Verilog

from .netlist import to_verilog
from .toolchain import build_environment, build_lock, cache_root

__all__ = ["run_bench"]


class _QuietVerilator(Verilator):
    """Without ``--public-flat-rw``: only the top's ports are public, which is several times faster."""

    def _build_command(self):
        commands = super()._build_command()
        return [[part for part in command if part != "--public-flat-rw"] for command in commands]


def run_bench(component: Component, bench: str, name: str, *, environment: dict[str, str] | None = None,
              extra_sources: tuple[Path, ...] = ()) -> None:
    """Build ``component`` and run all cocotb tests of module ``bench`` (e.g. ``dojang_sim.benches.router``).

    Top-level ports keep Amaranth's flattened names (``input__payload``, ``clk``, ``rst``). ``environment`` reaches the
    bench through ``os.environ``. Raises AssertionError with the number of failed tests.
    """
    text = to_verilog(component, name)
    digest = hashlib.sha256(text.encode())
    for source in extra_sources:    # by place too: make names it, and the checkout that built may be gone
        digest.update(f"{source.resolve()}\n".encode() + source.read_bytes())
    folder = cache_root() / "benches" / f"{name}-{digest.hexdigest()[:16]}"
    source, exposed = folder / f"{name}.v", folder / "ports.vlt"

    saved = dict(os.environ)
    os.environ.update(build_environment())
    os.environ.update(environment or {})
    try:
        runner = _QuietVerilator()
        sources = [exposed, source, *(Verilog(path) for path in extra_sources)]
        with build_lock(folder):
            folder.mkdir(exist_ok=True)
            if not exposed.exists():  # written last; writing again would build again, under another test that runs it
                source.write_text(text)
                exposed.write_text(f'`verilator_config\npublic_flat_rw -module "{name}" -var "*"\n')
            runner.build(sources=sources, hdl_toplevel=name, build_dir=folder,
                         build_args=["-Wno-fatal", "-Wno-lint", "-Wno-style"], always=False)
        results, status = folder / f"results-{os.getpid()}.xml", 0
        try:
            runner.test(hdl_toplevel=name, test_module=bench, build_dir=folder, test_dir=folder,
                        results_xml=str(results))
        except SystemExit as error:  # under pytest cocotb exits where it elsewhere returns
            status = error.code
    finally:
        os.environ.clear()
        os.environ.update(saved)
    assert results.exists(), f"{bench}: the simulation ended without results (status {status})"
    count, failed = get_results(results)
    assert count > 0, f"{bench}: no test ran"
    assert failed == 0, f"{bench}: {failed} of {count} tests failed"
    assert status == 0, f"{bench}: the simulation ended with status {status}"
