"""Wraps a component so that it can be placed alone: two pins, whatever the number of its ports."""

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Harness"]

FOLD = 4
"""Bits joined per level of the output tree: as many as a look-up table has inputs."""


class Harness(wiring.Component):
    """Feeds every input of ``component`` from a shift register and folds every output into one bit.

    All inputs are independent bits for the synthesiser and every output bit is observable, so nothing is optimised
    away; every path from or to a port begins or ends at a flip-flop of the harness, so no pin limits the clock.
    The harness itself has one exclusive or of `FOLD` bits between two flip-flops at most.

    Bit k of the inputs (in the order of the flattened signature, lowest bits first) holds the ``i`` of k + 1 cycles
    ago.
    ``o`` is the parity of all output bits `latency` cycles ago.

    Parameters
    ----------
    component: any component in the ``sync`` domain with at least one output bit.

    Members
    -------
    i, o: serial in and out.
    """

    i: In(1)
    o: Out(1)

    def __init__(self, component: wiring.Component):
        self._component = component
        ports = [(member.flow, Value.cast(value)) for _, member, value in component.signature.flatten(component)]
        self._inputs = [value for flow, value in ports if flow == In and not isinstance(value, Const)]
        self._outputs = [value for flow, value in ports if flow == Out and not isinstance(value, Const)]
        if not self._outputs:
            raise ValueError(f"{type(component).__name__} has no outputs: nothing of it would be left")
        super().__init__()

    @property
    def _levels(self) -> list[int]:
        """Flip-flops of the capture register and of each level of the fold."""
        levels = [sum(len(value) for value in self._outputs)]
        while levels[-1] > 1:
            levels.append(-(-levels[-1] // FOLD))
        return levels

    @property
    def latency(self) -> int:
        """Cycles from an output bit to its effect on ``o``."""
        return len(self._levels)

    def elaborate(self, platform):
        m = Module()
        m.submodules.component = self._component
        inputs = Cat(*self._inputs)
        shift = Signal(len(inputs))
        m.d.sync += shift.eq(Cat(self.i, shift))
        m.d.comb += inputs.eq(shift)

        bits = Cat(*self._outputs)
        for index, width in enumerate(self._levels):
            stage = Signal(width, name=f"fold{index}")
            m.d.sync += stage.eq(bits if index == 0 else
                                 Cat(bits[at:at + FOLD].xor() for at in range(0, len(bits), FOLD)))
            bits = stage
        m.d.comb += self.o.eq(bits)
        return m
