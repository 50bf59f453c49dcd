"""A session on the simulated chip."""

import os
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from dojang_hdl.config import ChipConfig

from ..checkpoints import Checkpoint, ModelShape, ScaleSet
from ..checkpoints.synthetic import random_checkpoint
from ..compile import Image, compile_model
from ..driver import Device, PipeTransport
from .device import DeviceSession
from .golden import GoldenSession
from .session import Memory, Waves

__all__ = ["open_simulated"]

LARGE = 16 << 20
"""Bytes a token of a model that is worth a chip compiled twice: that takes as long as four tokens of SmolLM2 gain."""

EXERCISE = ModelShape(layers=4, d=128, heads=4, kv_heads=2, head_dim=32, ffn=256, vocab=512, context=64)
"""What the first of the two is run with; it fits where a large model does."""

LINK_TIMEOUT_S = 120.0
"""The simulated chip may need long for the cycles that a real one answers within at once."""


def open_simulated(checkpoint: Checkpoint, config: ChipConfig, context: int, memory: Memory,
                   waves: Waves | None = None, compare_golden: bool = False,
                   progress: Callable[[str], None] = lambda _: None, sets: Sequence[ScaleSet] = (),
                   events: Path | None = None, logits: bool = True, rows: int | None = None) -> DeviceSession:
    """Build the Verilated chip (or take it from the cache), put the image into its memory and connect.

    ``events``: what its taps show is recorded there (`dojang_sim.profile`). ``logits``: are to be had. ``rows``: see
    `open_session`.
    """
    from dojang_sim.chip.build import build_chip
    from dojang_sim.chip.memories import MEMORIES

    progress("compiling the model")
    image = compile_model(checkpoint, config, context, sets, rows)
    memories = MEMORIES[memory]
    long = image.bytes_per_token(0) >= LARGE and waves is None and events is None
    train = partial(_exercise, config=config, guarded=memories.guarded) if long else None
    executable = build_chip(config, trace=waves is not None, profile=events is not None, memories=memories, train=train,
                            on_build=lambda: progress("building the simulated chip (about "
                                                      f"{'three minutes' if long else 'a minute'}, once)"))
    progress("loading the model into the chip's memory")
    command = [str(executable)]
    if waves is not None:
        command += ["--trace", str(waves.file), "--trace-cycles", str(waves.cycles)]
    if events is not None:
        command += ["--events", str(events)]
    if compare_golden:
        progress("preparing the golden model")
    golden = GoldenSession(checkpoint, image.context, sets, image.rows) if compare_golden else None
    return _start(command, image, memories.guarded, golden, logits)


def _start(command: list[str], image: Image, guarded: bool, golden: GoldenSession | None = None,
           logits: bool = False) -> DeviceSession:
    folder = tempfile.TemporaryDirectory(prefix="dojang-")
    paths = image.write(folder.name, guarded)
    environment = os.environ | {f"DOJANG_MEMORY_{channel}": str(path) for channel, path in enumerate(paths)}
    # In a session of its own, Ctrl-C at the terminal reaches this process only, which then ends the simulator.
    transport = PipeTransport.spawn(command, env=environment, start_new_session=True)
    contents = [np.memmap(path, np.uint8, "r") for path in paths]

    def close() -> None:
        transport.close()
        folder.cleanup()

    try:
        read = (lambda context: image.read_logits(contents, context, guarded)) if logits else None
        return DeviceSession(Device(transport, timeout_s=LINK_TIMEOUT_S), image, guarded, read, golden, close)
    except BaseException:
        close()
        raise


def _exercise(program: Path, config: ChipConfig, guarded: bool) -> None:
    """Passes of as many tokens as the chip takes, and of one."""
    image = compile_model(random_checkpoint(EXERCISE), config, EXERCISE.context)
    with _start([str(program)], image, guarded) as session:
        session.prefill([1] * session.contexts)
        session.prefill([1])
