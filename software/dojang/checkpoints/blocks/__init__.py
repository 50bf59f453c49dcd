"""Tensor types whose weights lie in blocks: bytes to codes and scales that the engine has, and floats to bytes."""
