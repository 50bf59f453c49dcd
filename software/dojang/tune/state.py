"""What an interrupted run goes on from: arrays and a description in a safetensors file; numpy only."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from .errors import TuneError

__all__ = ["State", "read_state", "state_path", "write_state"]

KEY = "dojang-tune"


@dataclass
class State:
    """A run between two steps.

    Parameters
    ----------
    options: what the run was asked for, JSON, by what to call it in a sentence.
    arrays: parameters and moments.
    kl: divergence of each step done, nats.
    seconds: taken so far.
    """

    options: dict
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    kl: list[float] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def steps(self) -> int:
        """Steps done."""
        return len(self.kl)


def state_path(target: Path) -> Path:
    """Of the run that is to write ``target``."""
    return target.with_name(f".{target.name}.tune")


def write_state(path: Path, state: State) -> None:
    """Write the file under another name beside it, then put it in place."""
    about = {"options": state.options, "kl": state.kl, "seconds": state.seconds}
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        save_file(state.arrays, draft, {KEY: json.dumps(about)})
        os.replace(draft, path)
    except (OSError, SafetensorError) as error:
        raise TuneError(f"{path} cannot be written: {error}") from None
    finally:
        draft.unlink(missing_ok=True)


def read_state(path: Path, options: dict) -> State | None:
    """The state in a file, None if there is none.

    Raises
    ------
    TuneError: it is of a run with other options, or damaged.
    """
    if not path.exists():
        return None
    try:
        with safe_open(path, "numpy") as file:
            about = json.loads((file.metadata() or {})[KEY])
            state = State(about["options"], {name: file.get_tensor(name) for name in file.keys()}, about["kl"],
                          about["seconds"])
    except Exception as error:  # whatever a damaged file leads to
        raise TuneError(f"{path} is damaged ({error}); remove it to begin anew") from None
    other = [name for name in options if state.options.get(name) != options[name]]
    if other:
        raise TuneError(f"{path} is of an interrupted run of {state.steps} steps with {_said(other, state.options)}, "
                        f"not {_said(other, options)}; give what it had, or remove it to begin anew")
    return state


def _said(names: list[str], options: dict) -> str:
    """``--rate 0.002 and --seed 1``; sums are cut short."""
    return " and ".join(f"{name} {str(options.get(name))[:12]}" for name in names)
