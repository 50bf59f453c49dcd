"""The whole chip under Verilator: build, process, host-side statistics."""
