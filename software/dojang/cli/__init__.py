"""The command ``dojang``."""

import os

# A second BLAS thread would spin on the core that simulates. It is read when numpy is loaded, hence before the imports.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import typer

from .area import area
from .bench import bench
from .bench_backends import backends
from .bench_batch import batch
from .bench_board import board
from .bench_capacity import capacities
from .bench_compression import compression
from .bench_conversions import conversions
from .bench_encoder import care_bits, encoder
from .bench_faults import faults
from .bench_lockstep import lockstep
from .bench_lpddr4 import lpddr4
from .bench_prefill import prefill
from .bench_quality import quality
from .bench_rows import rows
from .boards import boards
from .boundary import ErrorBoundary
from .build import build
from .chat import chat
from .chip import chip
from .compress import compress_model
from .eval import eval_model
from .generate import generate
from .inspect import inspect
from .plot import plot
from .profile import profile
from .program import program
from .report import report
from .tune import tune_model
from .waves import waves

__all__ = ["app"]

app = typer.Typer(cls=ErrorBoundary, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
                  help="Run language models on the Dojang accelerator, simulated.")
for command in (generate, chat, inspect, chip, waves, profile, report, area, boards, build, program):
    app.command()(command)
app.command("compress")(compress_model)
app.command("eval")(eval_model)
app.command("tune")(tune_model)
bench.command()(prefill)
bench.command()(batch)
bench.command()(board)
bench.command()(backends)
bench.command()(lpddr4)
bench.command()(faults)
bench.command()(compression)
bench.command()(lockstep)
bench.command()(encoder)
bench.command("care-bits")(care_bits)
bench.command()(quality)
bench.command()(conversions)
bench.command()(rows)
bench.command("capacity")(capacities)
app.add_typer(bench, name="bench")
app.add_typer(plot, name="plot")
