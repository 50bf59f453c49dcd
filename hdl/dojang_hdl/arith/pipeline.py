"""Registers of a pipeline without handshake."""

from collections.abc import Collection
from types import SimpleNamespace

from amaranth.hdl import Module, Signal, Value

__all__ = ["Pipeline"]


class Pipeline:
    """Builds a pipeline stage by stage; data registers only change where a valid operation passes.

    Parameters
    ----------
    merged: stages, counted from 1, that are wires into the next one instead of registers.

    Members
    -------
    valid: valid bit of the values that enter the next stage.
    stages: stages built so far.
    """

    def __init__(self, m: Module, valid: Value, merged: Collection[int] = ()):
        self._m = m
        self._merged = merged
        self.valid = valid
        self.stages = 0

    def stage(self, **values) -> SimpleNamespace:
        """Register each value; the returned namespace holds the registers under the same names."""
        self.stages += 1
        registers = {}
        if self.stages in self._merged:
            for name, value in values.items():
                value = Value.cast(value)
                registers[name] = Signal(value.shape(), name=f"{name}_{self.stages}")
                self._m.d.comb += registers[name].eq(value)
            return SimpleNamespace(**registers)
        with self._m.If(self.valid):
            for name, value in values.items():
                value = Value.cast(value)
                register = Signal(value.shape(), name=f"{name}_{self.stages}", reset_less=True)
                self._m.d.sync += register.eq(value)
                registers[name] = register
        valid = Signal(name=f"valid_{self.stages}")
        self._m.d.sync += valid.eq(self.valid)
        self.valid = valid
        return SimpleNamespace(**registers)
