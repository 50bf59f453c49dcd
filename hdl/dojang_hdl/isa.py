"""Program format of a node: 256-bit instructions, shared by the sequencer (RTL) and the compiler (no Amaranth here).

An instruction is two 128-bit memory words, low word first. ``HEAD`` is the low word of every instruction, the
high word is one of ``MEM``, ``VEC``, ``GEMV``, ``SEND``, by opcode. Fields are packed from bit 0 up in order.

Dynamic values: registers hold what changes from token to token (``Reg``); those of an instruction are the ones of its
``context``. The effective count and address are

    n    = n_base + clamp((R[n_reg] + n_bias) >> n_shift, 0, n_max) * n_mul
    addr = addr   + (max(R[m_reg] + m_bias, lowest) >> m_shift)     * m_mul

where ``lowest`` is START if m_reg is ROW, else 0: no address lies before a sequence's first row. So a program compiled
once serves every position of any sequences. ``n == 0`` makes any instruction but END a no-op.
"""

from enum import IntEnum, IntFlag
from functools import cache
from typing import NamedTuple


class Op(IntEnum):
    """Opcodes. SRAM addresses (a, b, d) count 128-bit words of 4 elements; bit 15 selects the bank (0 LOCAL, 1 RX)."""

    NOP = 0
    STREAM = 1   # queue n words of memory for stream `stream`, even while a unit works; waits only for a place
    LOAD = 2     # read n words of memory into RX at d, counted under `tag`; returns at once
    WAIT = 3     # wait until n words have arrived under `tag`, then subtract them
    STORE = 4    # write n words from SRAM a to memory
    SEND = 5     # send n words from SRAM a to RX address d of `mode`'s nodes, under `tag`
    GEMV = 6     # engine
    VEC = 7      # vector unit
    KPUT = 8     # n rows' int8 codes at a (32 elements = 8 words) to one lane of a K tile at addr (see layout)
    VPUT = 9     # insert n words of int8 codes at a into the V tile that comes on the urgent plane stream, back to addr
    SPUT = 10    # scalar register -> one 16- or 32-bit memory element, index R[lane_reg]+lane_bias (FP16 or FP32)
    TOPK = 11    # offer n elements at a, ids from `index`, to the context's candidate list; `reset` empties it first
    REPORT = 12  # send the context's candidate list to the host
    END = 13     # send counters and errors to the host, stop
    UNPACK = 14  # n groups of one row of a signed 8-bit matrix, arriving on the urgent plane stream, as FP32 in RX at d


class Flag(IntFlag):
    """Sticky bits of a run, its `errors` for the host; the lower eight are the nodes' own, sent by END."""

    NONFINITE = 1 << 0  # an infinity or NaN in an activation
    SATURATED = 1 << 1  # a value beyond FP16's range was clipped to it: the results stand
    MEMORY = 1 << 8     # some channel's guard keeps an error


class Reg(IntEnum):
    """Registers of dynamic values: SET is the pass's, the others are a context's."""

    ZERO = 0
    POS = 1      # position of the context's token in its sequence
    SET = 2      # set of scales and gains of the pass, SET_BITS wide; 0 on chips that are not `coded`
    LOGITS = 3   # 1 if the context's logits are to be stored, else 0
    TOKEN = 4    # token id
    START = 5    # first row of the sequence in the K/V cache, a multiple of 32
    ROW = 6      # START + POS
    CHOICE = 7   # 1 if the context's candidates are to be reported, else 0


SET_BITS = 8
CONTEXT_BITS = 5
CACHE_BITS = 20
"""Of a row of the K/V cache: all sequences together have less than 2^20 positions."""


class Stream(IntEnum):
    """FIFOs of words from memory. Weights are read long before they are needed; keys, values and embedding rows, which
    can only be read when they are needed, come through FIFOs of their own and pass them."""

    PLANES = 0
    SCALES = 1
    URGENT_PLANES = 2
    URGENT_SCALES = 3


URGENT = (Stream.URGENT_PLANES, Stream.URGENT_SCALES)


class Mode(IntEnum):
    """Destinations of a flit on the data network."""

    UNICAST = 0
    ROW = 1
    COLUMN = 2
    ALL = 3


class ScaleMode(IntEnum):
    """What the scale stream carries per (row, group)."""

    NONE = 0     # nothing: scale 1, offset 0
    SCALE = 1    # FP16 scale; eight rows a word, each group padded to whole words
    AFFINE = 2   # FP16 scale (low half), FP16 offset (high half); four rows a word
    ROW = 3      # FP16 scale per row, eight rows a word, once for all groups


class Code(IntEnum):
    """How a plane stream holds the weights; see `dojang_hdl.window_code`."""

    PLAIN = 0    # as planes
    X2 = 1
    X2_5 = 2
    X3 = 3
    X4 = 4


class Mul(IntEnum):
    """Second factor of the first multiplier."""

    ONE = 0      # bypass: exact
    A = 1        # a * a
    B = 2        # a * b
    S = 3        # a * scalar
    IMM = 4      # a * imm0


class Add(IntEnum):
    """Second summand of the adder."""

    ZERO = 0     # bypass
    B = 1
    S = 2
    IMM = 3      # imm1


class Fn(IntEnum):
    """Special function."""

    NONE = 0
    EXP2 = 1
    RECIP = 2
    RSQRT = 3


class Mul2(IntEnum):
    """Factor of the second multiplier."""

    ONE = 0      # bypass
    B = 1
    S = 2


class Round(IntEnum):
    """Conversion of the result; the container stays 32 bits."""

    NONE = 0
    FP16 = 1     # nearest even to the FP16 grid, saturating at 65504, kept as FP32
    INT8 = 2     # nearest even to a two's complement integer -127..127 in the low 8 bits (sign extended), NaN -> 0


class Reduce(IntEnum):
    """What is folded into scalar register `s_out`, from the converted results."""

    NONE = 0
    SUM = 1      # eight interleaved partial sums, combined as a tree (see numerics)
    MAX = 2
    MAXABS = 3


HEAD = (("op", 5), ("context", CONTEXT_BITS), ("tag", 2), ("a", 16), ("b", 16), ("d", 16),
        ("n_base", 16), ("n_reg", 3), ("n_shift", 4), ("n_bias", 15), ("n_max", 16), ("n_mul", 14))
"""context: whose registers and candidate list are meant. n_bias is signed."""

MEM = (("addr", 32), ("channel", 4), ("m_reg", 3), ("m_shift", 4), ("m_bias", 15), ("m_mul", 24),
       ("stream", 2), ("s", 4), ("wide", 1), ("lane_reg", 3), ("lane_bias", 9), ("index", 26), ("reset", 1))
"""addr counts 16-byte words of the channel. `s`/`wide`: SPUT's scalar register and 32-bit flag. `lane_*`: position
whose low bits pick lane (KPUT, UNPACK), bit (VPUT) or element (SPUT). `index`, `reset`: TOPK. m_bias, lane_bias are
signed. A STREAM with `wide` begins 2 · lanes words further for each unit of lanes before row (R[lane_reg] + lane_bias)
mod acc_rows: where an 8-bit row block has that row."""

VEC = (("imm0", 32), ("imm1", 32), ("mul", 3), ("add", 2), ("fn", 2), ("mul2", 2), ("round", 2), ("reduce", 2),
       ("store", 1), ("swap", 1), ("a_scalar", 1), ("pad32", 1), ("s", 4), ("s_a", 4), ("s_out", 4), ("pad", 35))
"""`store`: write results at d. `swap`: operand a is read pairwise swapped (a[i ^ 1]). `a_scalar`: operand a is scalar
register s_a for every i. `pad32`: the results are followed by zeros up to the next multiple of 32 elements.
`s`: the scalar operand. n counts elements."""

GEMV = (("rows", 16), ("groups", 16), ("bits", 4), ("signed", 1), ("scale_mode", 2), ("contexts", CONTEXT_BITS),
        ("act_stride", 16), ("out_stride", 16), ("n_is_groups", 1), ("code", 3), ("masked", 1), ("blocks", 2),
        ("rotated", 1), ("double", 1), ("zero", 10), ("terms", 3), ("urgent", 1), ("pad", 29))
"""n replaces rows (or groups, with n_is_groups); a: activations, d: results. `contexts` and `terms` hold the number
less one, `blocks` the logarithm of the blocks of 32 columns in a group. A weight is scale * ((Q << double) + zero),
with a signed `zero`. `urgent`: they come on the urgent streams. What lies
between `n_is_groups` and `urgent` is 0 on chips that are not `coded`, and their scale mode is not ROW."""

SEND = (("mode", 2), ("x", 4), ("y", 4), ("pad", 118))

RUN = (("base", 32), ("slot_log2", 5), ("words", 24), ("set", SET_BITS))
"""What starts a pass: node i = y * width + x executes the `words` words at base + (i << slot_log2) of its row's
channel."""

CONTEXT = (("token", 32), ("position", 16), ("start", CACHE_BITS), ("row", CACHE_BITS), ("logits", 1), ("choice", 1))
"""What a node is told of a context, once before each pass: the values of its registers."""

FORMATS = {Op.STREAM: MEM, Op.LOAD: MEM, Op.STORE: MEM, Op.KPUT: MEM, Op.VPUT: MEM, Op.SPUT: MEM, Op.TOPK: MEM,
           Op.UNPACK: MEM, Op.VEC: VEC, Op.GEMV: GEMV, Op.SEND: SEND}

SIGNED = {"n_bias", "m_bias", "lane_bias", "zero"}
INSTRUCTION_WORDS = 2


class Context(NamedTuple):
    """A token of a pass: its id, its position in a sequence, the sequence's first row in the K/V cache (a multiple of
    32), and whether its logits are to be stored, its candidates to be reported.
    """

    token: int
    position: int
    start: int = 0
    logits: bool = True
    choice: bool = True

    @property
    def row(self) -> int:
        return self.start + self.position

    def word(self) -> int:
        """As `CONTEXT`; a value that does not fit is a ValueError that names it."""
        return pack(CONTEXT, {**{name: int(value) for name, value in self._asdict().items()}, "row": self.row})

    def registers(self, set: int = 0) -> dict[int, int]:
        """Values of `Reg` in a pass with that set of scales."""
        return {Reg.ZERO: 0, Reg.POS: self.position, Reg.SET: set, Reg.LOGITS: int(self.logits), Reg.TOKEN: self.token,
                Reg.START: self.start, Reg.ROW: self.row, Reg.CHOICE: int(self.choice)}


ROW_BITS = 8
"""Bits of the codes that UNPACK takes."""

INTEGER_BIAS = 1.5 * 2**23
"""UNPACK gives code + INTEGER_BIAS: an FP32 number whose pattern holds the code."""


def pack(fields, values: dict[str, int]) -> int:
    """Pack ``values`` (missing ones are 0) into one 128-bit word; a value that does not fit is a named ValueError."""
    word, places = 0, _places(fields)
    unknown = values.keys() - places.keys()
    if unknown:
        raise ValueError(f"no such field: {', '.join(sorted(unknown))}")
    for name, value in values.items():
        at, width, low, high = places[name]
        if not low <= value < high:
            raise ValueError(f"field {name}={value} does not fit {width} bits")
        word |= (int(value) & (1 << width) - 1) << at
    return word


@cache
def _places(fields) -> dict[str, tuple[int, int, int, int]]:
    """First bit, width and range of values of every field."""
    places, at = {}, 0
    for name, width in fields:
        low, high = (-(1 << width - 1), 1 << width - 1) if name in SIGNED else (0, 1 << width)
        places[name] = at, width, low, high
        at += width
    return places


def unpack(fields, word: int) -> dict[str, int]:
    """The inverse of `pack`."""
    values, at = {}, 0
    for name, width in fields:
        value = word >> at & (1 << width) - 1
        values[name] = value - (1 << width) if name in SIGNED and value >> width - 1 else value
        at += width
    return values


def encode(op: Op, **values: int) -> tuple[int, int]:
    """One instruction as (low, high) words; each value goes to the half that has the field."""
    head_names = _places(HEAD)
    head = {name: value for name, value in values.items() if name in head_names}
    rest = {name: value for name, value in values.items() if name not in head_names}
    if rest and op not in FORMATS:
        raise ValueError(f"{op.name} has no field {', '.join(sorted(rest))}")
    return pack(HEAD, {"op": op, **head}), pack(FORMATS[op], rest) if rest else 0
