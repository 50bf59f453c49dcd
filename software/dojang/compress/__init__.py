"""Compression of weights: quantisers, window codes, pruning, rotation."""

from .errors import CompressError
from .gptq import dequantize, quantize_matrix
from .recipe import MatrixRecipe, Quantized

__all__ = ["CompressError", "MatrixRecipe", "Quantized", "dequantize", "quantize_matrix"]
