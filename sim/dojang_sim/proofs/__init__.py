"""Formal proofs of hardware: harnesses of free inputs around the real components, and what proves them."""
