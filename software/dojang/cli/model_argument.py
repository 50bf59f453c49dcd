"""What commands take for a model."""

from ..checkpoints import Checkpoint, load
from ..checkpoints.synthetic import wide

__all__ = ["MEASURED_HELP", "MODEL_HELP", "load_measured"]

MODEL_HELP = ("Path of a GGUF file, of a Hugging Face folder or of what dojang compress wrote; or smollm2 or glassllm, "
              "of the packages of those names.")

MEASURED_HELP = f"{MODEL_HELP} Or `wide`, one wide layer of random weights."


def load_measured(model: str, weights: int) -> Checkpoint:
    """What `MEASURED_HELP` promises; ``weights`` and errors are those of `dojang.checkpoints.load`."""
    return wide() if model == "wide" else load(model, weights)
