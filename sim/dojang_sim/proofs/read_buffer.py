"""The read buffer delivers the wanted words of every slot it gives out, each once, in the order of the slots."""

from functools import reduce
from itertools import combinations, pairwise
from operator import or_

from amaranth.hdl import Array, Assert, Assume, Cat, Const, Module, Mux, Signal
from amaranth.lib import data
from amaranth.lib.wiring import In
from dojang_hdl.lpddr4.read_buffer import OUTPUT_WORDS, ReadBuffer
from dojang_hdl.lpddr4.scheduler import Sent
from dojang_hdl.lpddr4.timing import BURST, Lpddr4Config

from .contracts import slots_stay
from .prove import Harness
from .rules import saturating

__all__ = ["ReadOrder"]

BURSTS = 4
"""Slots of the buffer, at least as many as words in its output queue: numbers are not reused too soon. The
controller's has 256."""

NUMBER = (2 * BURSTS - 1).bit_length()
"""Bits of a slot, with its lap."""

PLACE = NUMBER - 1

TOKENS = range(2 * BURSTS)

IN_FLIGHT = 2
"""Reads sent and not answered, registers included; 32 in the controller."""

DELIVERY_CYCLES = 3
"""From the cycle in which a burst is complete to the one in which its first word may leave."""


class ReadOrder(Harness):
    """Slots are given out as far as there is room, read in any order, and answered at any time; mode registers too.

    A word read carries the number of its slot, with the lap, and its half. A slot is given out, sent, answered.
    """

    kept = ("buffer.flags", "buffer.storage")

    def __init__(self, config: Lpddr4Config, buffer: type[ReadBuffer] = ReadBuffer):
        self._config, self._buffer = config, buffer
        self._rows = BURST // config.ratio      # of a burst, in the storage
        inner = {
            "at": (NUMBER, "at"), "second": (1, "second"), "fetched": (1, "fetched"), "part": (1, "part"),
            "back": (1, "back"), "credits": (range(OUTPUT_WORDS + 1), "credits"),
            "fetched_word": (128, "output.w_port__data"),
        }
        for queue, depth, shape in (("flight", IN_FLIGHT, Sent), ("output", OUTPUT_WORDS, 128)):
            inner |= {f"{queue}_{name}": (range(depth + (name == "level")), f"{queue}.{name}")
                      for name in ("level", "produce", "consume")}
            inner |= {f"{queue}{place}": (shape, f"{queue}.storage[{place}]") for place in range(depth)}
        inner |= {f"flag{place}": (3, f"flags[{place}]") for place in range(BURSTS)}
        inner |= {f"row{place}": (256 // self._rows, f"storage[{place}]") for place in range(BURSTS * self._rows)}
        self.inside = {name: f"buffer.{path}" for name, (_, path) in inner.items()}
        super().__init__({
            "take": In(7), "send": In(1), "slot": In(NUMBER), "register": In(1), "wanted": In(2),
            "valid": In(1), "ready": In(1), **{name: In(shape) for name, (shape, _) in inner.items()},
        })

    def elaborate(self, platform):
        m = Module()
        m.submodules.buffer = buffer = self._buffer(self._config, BURSTS, IN_FLIGHT)
        given, sent, answered = (Signal(len(TOKENS), name=name) for name in ("given", "sent", "answered"))
        wanted = Array(Signal(2, name=f"wanted{token}") for token in TOKENS)
        sending = Signal(len(TOKENS))
        m.d.comb += [
            buffer.take.eq(self.take), buffer.o.ready.eq(self.ready), buffer.valid.eq(self.valid),
            buffer.sent.read.eq(self.send), buffer.sent.register.eq(self.register), buffer.sent.slot.eq(self.slot),
            buffer.sent.wanted.eq(self.wanted), sending.eq(_token(self.send & ~self.register, self.slot)),
            Assume(self.take <= buffer.room), Assume(self.wanted != 0), Assume((sending & ~given) == 0),
        ]
        giving = Cat((token - buffer.slot)[:NUMBER] < self.take for token in TOKENS)
        with m.If(self.send & ~self.register):
            m.d.sync += wanted[self.slot].eq(self.wanted)
        landing, flying, count, part = self._memory(m, buffer)

        oldest, second = Signal(NUMBER), Signal()
        half, ends, leaves = Signal(), Signal(), Signal()
        late = saturating(m, answered.bit_select(oldest, 1) & ~buffer.o.valid, DELIVERY_CYCLES, "late")
        m.d.comb += [
            half.eq(second | ~wanted[oldest][0]), ends.eq(half | ~wanted[oldest][1]),
            leaves.eq(buffer.o.valid & self.ready),
            Assert(~buffer.o.valid | answered.bit_select(oldest, 1), "nothing leaves that was not read"),
            Assert(~buffer.o.valid | (buffer.o.payload == Cat(oldest, half)), "words leave in order, each once"),
            Assert((giving & (given | sent | answered)) == 0, "no slot is given out twice"),
            Assert(slots_stay(m, buffer.room, buffer.slot, self.take), "room and slots stay"),
            Assert(late < DELIVERY_CYCLES, "what was read leaves"),
            Assert((late == 0) | buffer.o.valid | (late == 1) & self.fetched, "on its way"),
        ]
        m.d.sync += [
            given.eq(given & ~sending | giving), sent.eq(sent & ~landing | sending),
            answered.eq(answered & ~_token(leaves & ends, oldest) | landing),
        ]
        with m.If(leaves):
            m.d.sync += [second.eq(~ends), oldest.eq(oldest + ends)]

        m.d.comb += [Assert(wanted[token].any() | ~(sent | answered)[token], f"something of slot {token} is wanted")
                     for token in TOKENS]
        self._in_flight(m, sent, wanted, flying, count, part)
        self._in_ring(m, buffer, given, sent, answered, wanted, oldest, flying, part)
        self._in_queue(m, answered, wanted, oldest, second)
        return m

    def _memory(self, m, buffer):
        """Answers what was sent, in order. Returns the slot that is complete, and what is to be answered."""
        flying = [Signal(data.StructLayout({"register": 1, "slot": NUMBER}), name=f"flying{place}")
                  for place in range(IN_FLIGHT)]
        count, part = Signal(range(IN_FLIGHT + 1)), Signal()
        lands, landing, left = Signal(), Signal(len(TOKENS)), Signal.like(count)
        words = [Cat(flying[0].slot, half) for half in ((part,) if self._rows > 1 else (0, 1))]
        m.d.comb += [
            Assume(~self.valid | (count != 0)), Assume(~self.send | (count != IN_FLIGHT)),
            lands.eq(self.valid & (part == self._rows - 1)), left.eq(count - lands),
            landing.eq(_token(lands & ~flying[0].register, flying[0].slot)),
            buffer.data.as_value().eq(Cat(Cat(word, Const(0, 128 - len(word))) for word in words)),
        ]
        if self._rows > 1:
            m.d.sync += part.eq(part ^ self.valid)
        m.d.sync += count.eq(left + self.send)
        with m.If(lands):
            m.d.sync += [here.eq(after) for here, after in pairwise(flying)]
        for place, entry in enumerate(flying):
            with m.If(self.send & (left == place)):
                m.d.sync += [entry.register.eq(self.register), entry.slot.eq(self.slot)]
        return landing, flying, count, part

    # What makes it inductive: where everything is that was given out and has not left

    def _in_flight(self, m, sent, wanted, flying, count, part):
        entries = Array(data.View(Sent, getattr(self, f"flight{place}")) for place in range(IN_FLIGHT))
        reads = [(count > place) & ~entry.register for place, entry in enumerate(flying)]
        tokens = [_token(read, entry.slot) for read, entry in zip(reads, flying, strict=True)]
        m.d.comb += [
            Assert((self.flight_level == count) & (count <= IN_FLIGHT), "in flight as thought"),
            Assert(self.flight_produce == (self.flight_consume + count)[:len(self.flight_produce)], "a ring of reads"),
            Assert((self.part == part) & (~part | (count != 0)), "a part of what is in flight"),
            Assert(sent == reduce(or_, tokens), "what was sent is in flight"),
            Assert(~Cat((one & other).any() for one, other in combinations(tokens, 2)).any(), "each once"),
        ]
        for place, entry in enumerate(flying):
            held = Signal(Sent, name=f"held{place}")
            m.d.comb += [
                held.eq(entries[(self.flight_consume + place)[:len(self.flight_consume)]]),
                Assert((count <= place) | (held.register == entry.register)
                       & (entry.register | (held.slot == entry.slot) & (held.wanted == wanted[entry.slot])),
                       f"read {place} as it was sent"),
            ]

    def _in_ring(self, m, buffer, given, sent, answered, wanted, oldest, flying, part):
        used = Signal(range(BURSTS + 1))
        cleared = saturating(m, True, BURSTS, "cleared")    # flags, in the cycles since the reset
        clearing = cleared < BURSTS
        m.d.comb += [
            used.eq(Mux(clearing, 0, BURSTS - buffer.room - self.back)),
            Assert(buffer.room <= BURSTS, "no more room than there is"),
            Assert(~clearing | (buffer.room == 0) & (self.at == 0), "nothing begins before flags are cleared"),
            Assert(buffer.slot == (self.at + used)[:NUMBER], "slots in use are neighbours"),
            Assert((given & sent) == 0, "given out or sent"),
            Assert(((given | sent) & answered) == 0, "or answered"),
        ]
        state = Signal(len(TOKENS))
        m.d.comb += state.eq(given | sent | answered)
        for token in TOKENS:
            ahead, behind = (token - self.at)[:NUMBER], (self.at - 1 - token)[:NUMBER]
            flag = getattr(self, f"flag{token % BURSTS}")
            flagged = flag[0] != token // BURSTS
            with m.If(ahead < used):
                m.d.comb += [
                    Assert(state[token] & (flagged == answered[token]), f"slot {token} is in use"),
                    Assert(~flagged | (flag[1:] == wanted[token]), f"slot {token} is wanted"),
                    Assert(~flagged | self._holds(token, (0, 1)), f"slot {token} is stored"),
                ]
            with m.Else():
                m.d.comb += [
                    Assert((ahead >= BURSTS) | ~flagged | (cleared <= token % BURSTS),
                           f"slot {token} has not been in use"),
                    Assert(~given[token] & ~sent[token], f"slot {token} is not in use"),
                    Assert(answered[token] == (behind < (self.at - oldest)[:NUMBER]), f"slot {token} leaves"),
                ]
            begun = part & ~flying[0].register & (flying[0].slot == token)
            m.d.comb += Assert(~begun | self._holds(token, (0,)), f"slot {token} is stored in part")

    def _holds(self, token, halves):
        """Words of the slot are in the storage."""
        place = token % BURSTS
        rows = [getattr(self, f"row{self._rows * place + row}") for row in range(self._rows)]
        words = rows if self._rows > 1 else [rows[0][:128], rows[0][128:]]
        return Cat(words[half] == token + (half << NUMBER) for half in halves).all()

    def _in_queue(self, m, answered, wanted, oldest, second):
        """Words that were fetched, from the one that leaves next."""
        places, words = [(oldest, second)], []
        for index in range(OUTPUT_WORDS):
            token, later = places[-1]
            half, ends = Signal(name=f"half{index}"), Signal(name=f"ends{index}")
            after, after_later = Signal(NUMBER, name=f"token{index}"), Signal(name=f"later{index}")
            m.d.comb += [half.eq(later | ~wanted[token][0]), ends.eq(half | ~wanted[token][1]),
                         after.eq(token + ends), after_later.eq(~ends)]
            words.append(Cat(token, half))
            places.append((after, after_later))
        fetched = Signal(4)
        queue = Array(getattr(self, f"output{place}") for place in range(OUTPUT_WORDS))
        m.d.comb += [
            fetched.eq(self.output_level + self.fetched),
            Assert((fetched <= OUTPUT_WORDS) & (self.credits == OUTPUT_WORDS - fetched), "credits for the rest"),
            Assert(self.output_produce == (self.output_consume + self.output_level)[:2], "the queue is a ring"),
            Assert(Cat(self.at, self.second) == Array(Cat(*place) for place in places)[fetched], "fetched so far"),
            Assert(~self.second | answered.bit_select(self.at, 1), "a burst that was read is fetched"),
            Assert(~self.fetched | (self.fetched_word == Array(words)[self.output_level]), "the word as thought"),
        ]
        for index, ((token, _), word) in enumerate(zip(places[:-1], words, strict=True)):
            m.d.comb += [
                Assert((fetched <= index) | answered.bit_select(token, 1), f"word {index} was read"),
                Assert((self.output_level <= index) | (queue[(self.output_consume + index)[:2]] == word),
                       f"word {index} as thought"),
            ]


def _token(valid, slot):
    """A bit for every slot."""
    return Mux(valid, Const(1, len(TOKENS)) << slot, 0)[:len(TOKENS)]
