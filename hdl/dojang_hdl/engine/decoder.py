"""The plane stream of a coded chip to planes of the lanes."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from ..config import BLOCK, WORD_BITS
from ..window_code import CODES
from .gearbox import Gearbox
from .plane_queue import PlaneQueue
from .row_decoder import RowDecoder
from .row_sequencer import RowSequencer, pairs_of
from .unit_buffer import UnitBuffer

__all__ = ["WindowDecoder"]


class WindowDecoder(wiring.Component):
    """Gives the planes of every unit, from the highest down, units in order; PLAIN words are cut into planes.

    Takes exactly the words of the command (docs/reference/layout.md). A unit with a window code takes max(planes,
    lanes) cycles while words arrive and planes are taken, one of X2 max(planes, lanes / 2); a block's warm-up part no
    more than its rows would.

    Parameters
    ----------
    lanes: rows of a unit: 1, 2 or 4.
    codes: the window codes there are, one at least.

    Members
    -------
    start: pulse, not before all planes of the command before have been taken; the fields stay until all of this one's.
    code: of ``codes``, or PLAIN.
    masked: window codes only. There is a mask: weights are signed numbers of one plane more, 2Q - Qmax or 0.
    rows: of a block, a multiple of 4, not 0.
    blocks: of the command, not 0.
    bits: planes of a unit of PLAIN, not 0.
    i: the plane stream; ``ready`` depends on registers only.
    o: planes, lane 0 lowest; ``valid`` is a register.
    """

    latency = 1 + RowDecoder.latency + UnitBuffer.latency + PlaneQueue.latency
    """Cycles from the last row of a unit to its first plane."""

    plain_latency = 1 + latency
    """Cycles from a word of PLAIN to its first plane."""

    def __init__(self, lanes: int, codes=frozenset(CODES)):
        self._lanes, self._codes = lanes, frozenset(codes)
        super().__init__({
            "start": In(1), "code": In(3), "masked": In(1), "rows": In(16), "blocks": In(18), "bits": In(4),
            "i": In(stream.Signature(WORD_BITS)), "o": Out(stream.Signature(BLOCK * lanes)),
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.sequencer = sequencer = RowSequencer(self._lanes, self._codes)
        m.submodules.gearbox = gearbox = Gearbox(self._lanes, self._codes)
        m.submodules.row_decoder = rows = RowDecoder(self._codes, pairs_of(self._lanes, self._codes))
        m.submodules.unit_buffer = units = UnitBuffer(self._lanes, self._codes)
        m.submodules.queue = queue = PlaneQueue(BLOCK * self._lanes)
        connect(m, queue.o, flipped(self.o))
        # What is decided on in a cycle moves the wide registers in the next one.
        word = Signal(WORD_BITS, reset_less=True)
        row, weights, ends, direct, take_mask, take_fifth, phase = sent = [
            Signal.like(getattr(sequencer, name), name=name)
            for name in ("row", "weights", "ends", "direct", "take_mask", "take_fifth", "phase")]
        m.d.sync += [word.eq(self.i.payload), *(signal.eq(getattr(sequencer, signal.name)) for signal in sent)]
        m.d.comb += [
            *(getattr(sequencer, name).eq(getattr(self, name))
              for name in ("start", "code", "masked", "rows", "blocks", "bits")),
            sequencer.valid.eq(self.i.valid), self.i.ready.eq(sequencer.ready), sequencer.room.eq(queue.room),
            *(part.masked.eq(self.masked) for part in (gearbox, rows, units)),
            *(part.active_code.eq(sequencer.active_code) for part in (gearbox, rows, units)),
            *(part.pair.eq(sequencer.pair) for part in (rows, units)),

            gearbox.word.eq(word), gearbox.take_mask.eq(take_mask), gearbox.take_fifth.eq(take_fifth),
            gearbox.row.eq(row), gearbox.direct.eq(direct), gearbox.phase.eq(phase),
            rows.word.eq(word), rows.row.eq(row), rows.odd.eq(phase[0]), rows.weights.eq(weights), rows.ends.eq(ends),
            rows.symbol.eq(gearbox.symbol), rows.fifth.eq(gearbox.fifth),

            units.i_valid.eq(rows.o_valid), units.ends.eq(rows.o_ends), units.planes.eq(rows.planes),
            units.second.eq(rows.second), units.mask.eq(gearbox.mask),
            queue.reserve.eq(row & ends), queue.planes.eq(sequencer.planes),
            queue.i_valid.eq(units.o_valid), queue.i.eq(units.o),
        ]
        return m
