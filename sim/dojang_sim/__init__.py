"""Golden models, Verilator and cocotb harness, memory models."""
