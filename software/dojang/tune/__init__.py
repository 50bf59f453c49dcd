"""Training the scales and gains of a compressed model; only `llama` and `train` need PyTorch, and nothing imports them
but when a model is tuned.
"""

from .errors import TuneError

__all__ = ["TuneError"]
