"""Opens a session on the back end that is asked for."""

from collections.abc import Callable, Sequence

from dojang_hdl.config import ChipConfig

from ..checkpoints import Checkpoint, ScaleSet
from .fast import FastSession
from .golden import GoldenSession
from .session import Memory, Session, SessionError, Waves
from .simulated import open_simulated

__all__ = ["open_session"]


def open_session(checkpoint: Checkpoint, config: ChipConfig, backend: str = "rtl", waves: Waves | None = None,
                 compare_golden: bool = False, context: int | None = None, memory: Memory = Memory.LPDDR4,
                 progress: Callable[[str], None] = lambda _: None, sets: Sequence[ScaleSet] = (),
                 rows: int | None = None) -> Session:
    """Load `checkpoint` on a chip.

    Parameters
    ----------
    backend: ``"rtl"`` (Verilated chip), ``"golden"`` (numpy) or ``"fast"`` (compiled, equal to golden).
    waves: waveform to write, ``rtl`` only.
    compare_golden: run the golden model alongside and compare the logits of every position.
    context: positions a sequence may have at most; the model's own context if None.
    memory: of the simulated chip.
    progress: is told what begins, before every part that can take seconds.
    sets: scale sets 1, 2, … of `Session.use_set`; a simulated chip must be coded to hold any.
    rows: positions of the K/V memory, of all sequences together, a multiple of 32; what `context` needs if None.

    Raises
    ------
    DojangError: a subclass, for a model that does not fit or a back end that cannot run here.
    """
    context = min(context or checkpoint.shape.context, checkpoint.shape.context)
    if backend == "golden":
        progress("preparing the golden model")
        return GoldenSession(checkpoint, context, sets, rows)
    if backend == "fast":
        return FastSession(checkpoint, context, sets, progress, rows)
    if backend == "rtl":
        return open_simulated(checkpoint, config, context, memory, waves, compare_golden, progress, sets,
                              rows=rows)
    raise SessionError(f"unknown back end {backend!r}, expected rtl, golden or fast")
