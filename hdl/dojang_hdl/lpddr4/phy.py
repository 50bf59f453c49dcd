"""The boundary between controller and PHY: a controller cycle's worth of every pin."""

from amaranth.lib import data
from amaranth.lib.wiring import In, Out, Signature

__all__ = ["CA_BITS", "BEAT_BITS", "PhyPort"]

CA_BITS = 6
BEAT_BITS = 16


class PhyPort(Signature):
    """Controller's view of the PHY of one x16 channel; phase 0 is the first memory clock of the controller cycle.

    Outputs belong to the cycle they are registered in; the PHY delays all of them alike.

    Write data runs in whole cycles: the words of a burst, `BURST` / ``ratio`` of them, are in the cycles that begin
    ``write_delay`` = (WL + 4) // ``ratio`` cycles after the one with WR, whose first edge is at phase 0; the PHY adds
    the (WL + 4) % ``ratio`` clocks that are missing, and its own alignment of DQS. Read data comes back in whole cycles
    too, in the order of the reads, any fixed number of cycles after RD; the PHY aligns it.

    Parameters
    ----------
    ratio: memory clocks (phases) per controller cycle.

    Members
    -------
    ca: CA0 to CA5 of each phase, captured by the memory at the rising edge of that clock.
    cs: chip select of each phase.
    cke, reset_n: for the whole cycle.
    write: beats in order of time, two a phase; element i is driven i/2 memory clocks after the cycle's start.
    mask: data mask inversion of each beat and byte, 1: the byte is left as it is. Only of masked writes.
    write_valid: ``write`` holds data.
    read_start: a command in this cycle will answer with a burst (RD or MRR).
    read: beats in order of time.
    read_valid: ``read`` holds data.
    calibrate: initialisation is at the point where the PHY may train.
    calibrated: the PHY is done; high throughout where there is nothing to train.
    """

    def __init__(self, ratio: int):
        self.ratio = ratio
        beats = data.ArrayLayout(BEAT_BITS, 2 * ratio)
        super().__init__({
            "ca": Out(data.ArrayLayout(CA_BITS, ratio)),
            "cs": Out(ratio),
            "cke": Out(1),
            "reset_n": Out(1),
            "write": Out(beats),
            "mask": Out(data.ArrayLayout(2, 2 * ratio)),
            "write_valid": Out(1),
            "read_start": Out(1),
            "read": In(beats),
            "read_valid": In(1),
            "calibrate": Out(1),
            "calibrated": In(1),
        })
