"""cocotb benches; each is launched from a pytest function of the same name under tests/."""
