"""Window codes: weights of 2 to 4 bits, parities of a shift register (no Amaranth here). docs/reference/numerics.md."""

from dataclasses import dataclass

from .isa import Code

__all__ = ["CODES", "WindowCode"]


@dataclass(frozen=True)
class WindowCode:
    """A code: one sequence of symbols for each column, down the rows of its matrix.

    In step t a symbol x_t of ``step_bits`` bits enters the window, w_t = (w_(t-1) << step_bits | x_t) mod 2^window; at
    a matrix's first row the window is 0. A weight of the step is Q = Σ a · (parity of the bits of w_t in ``taps``).

    Parameters
    ----------
    name: as the user writes it.
    window: bits of the window, the newest symbol's included.
    step_bits: bits of a symbol.
    outputs: for each weight of a step, in order of rows, its (a, taps); bit 0 of the window is the newest.
    """

    name: str
    window: int
    step_bits: int
    outputs: tuple[tuple[tuple[int, tuple[int, ...]], ...], ...]

    @property
    def steps_rows(self) -> int:
        """Rows of a step."""
        return len(self.outputs)

    @property
    def maximum(self) -> int:
        """Largest Q."""
        return sum(a for a, _ in self.outputs[0])

    @property
    def planes(self) -> int:
        """Binary places of Q."""
        return self.maximum.bit_length()

    @property
    def warm_up(self) -> int:
        """Steps after which the window no longer depends on what was before them."""
        return -(-(self.window - self.step_bits) // self.step_bits)

    @property
    def lead(self) -> int:
        """Steps in the warm-up part of a plane stream: `warm_up`, filled up to an even number."""
        return self.warm_up + self.warm_up % 2

    @property
    def bits_per_weight(self) -> float:
        return self.step_bits / self.steps_rows


def _output(text: str) -> tuple[tuple[int, tuple[int, ...]], ...]:
    """From terms such as ``2:10,5,0``: a, then the taps of its parity."""
    return tuple((int(a), tuple(map(int, taps.split(",")))) for a, taps in (term.split(":") for term in text.split()))


CODES = {
    Code.X2: WindowCode("X2", 12, 2, (
        _output("2:10,5,0 2:9,7,1 1:11,4,1 1:8,5,3 1:8,4,3"),)),
    Code.X2_5: WindowCode("X2.5", 13, 5, (
        _output("4:11,9,3 2:10,5,3 2:6,2,0 2:12,6,2 2:8,6,5 1:9,7,2 1:7,5,1 1:7,6,3"),
        _output("4:12,4,2 2:10,2,1 2:10,9,0 2:10,8,5 2:9,7,5 1:11,7,4 1:7,6,2 1:10,5,0"))),
    Code.X3: WindowCode("X3", 12, 3, (
        _output("4:9,8,0 2:7,2,1 2:5,4,2 2:10,4,3 2:11,4,2 1:10,4,2 1:10,4,3 1:9,7,3"),)),
    Code.X4: WindowCode("X4", 12, 4, (
        _output("8:10,3,0 4:11,8,1 4:10,8,6 4:7,5,3 4:7,6,4 2:10,7,1 2:9,2,1 1:9,2,1 1:10,8,6 1:7,6,4"),)),
}
"""Every code but PLAIN."""
