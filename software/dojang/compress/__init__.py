"""Compression of weights: quantisers, window codes, pruning, rotation."""
