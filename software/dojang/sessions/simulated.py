"""A session on the simulated chip."""

import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from dojang_hdl.config import ChipConfig

from ..checkpoints import Checkpoint, ScaleSet
from ..compile import compile_model
from ..driver import Device, PipeTransport
from .device import DeviceSession
from .golden import GoldenSession
from .session import Memory, Waves

__all__ = ["open_simulated"]

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
    executable = build_chip(config, trace=waves is not None, profile=events is not None, memories=memories,
                            on_build=lambda: progress("building the simulated chip (about a minute, once)"))
    progress("loading the model into the chip's memory")
    folder = tempfile.TemporaryDirectory(prefix="dojang-")
    paths = image.write(folder.name, memories.guarded)
    command = [str(executable)]
    if waves is not None:
        command += ["--trace", str(waves.file), "--trace-cycles", str(waves.cycles)]
    if events is not None:
        command += ["--events", str(events)]
    environment = os.environ | {f"DOJANG_MEMORY_{channel}": str(path) for channel, path in enumerate(paths)}
    # In a session of its own, Ctrl-C at the terminal reaches this process only, which then ends the simulator.
    transport = PipeTransport.spawn(command, env=environment, start_new_session=True)
    contents = [np.memmap(path, np.uint8, "r") for path in paths]

    def close():
        transport.close()
        folder.cleanup()

    try:
        device = Device(transport, timeout_s=LINK_TIMEOUT_S)
        if compare_golden:
            progress("preparing the golden model")
        golden = GoldenSession(checkpoint, image.context, sets, image.rows) if compare_golden else None
        read = (lambda c: image.read_logits(contents, c, memories.guarded)) if logits else None
        return DeviceSession(device, image, memories.guarded, read, golden, close)
    except BaseException:
        close()
        raise
