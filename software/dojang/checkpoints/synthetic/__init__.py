"""Random models for tests and benches: small ones as GGUF files of any family, matrices in compressed forms for any."""

from .models import amplified, random_checkpoint, random_matrix, random_set, wide, with_forms
from .writer import END, write_synthetic

__all__ = ["END", "amplified", "random_checkpoint", "random_matrix", "random_set", "wide", "with_forms",
           "write_synthetic"]
