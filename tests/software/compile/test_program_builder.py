"""Order of a program: what STREAM hoisting may and may not do."""

import pytest
from dojang.compile.program import QUEUE, Count, ProgramBuilder
from dojang_hdl import isa
from dojang_hdl.isa import Op, Reg, Stream


def instructions(program) -> list[tuple[Op, dict[str, int]]]:
    result, text = [], program.text
    for at in range(0, len(text), 32):
        low, high = (int.from_bytes(text[i:i + 16].tobytes(), "little") for i in (at, at + 16))
        head = isa.unpack(isa.HEAD, low)
        op = Op(head["op"])
        result.append((op, head | (isa.unpack(isa.FORMATS[op], high) if op in isa.FORMATS else {})))
    return result


def test_streams_go_ahead_of_waits_in_order_of_consumption():
    builder = ProgramBuilder()
    for step in range(3):
        builder.emit(Op.WAIT, 4, tag=0)
        builder.stream(Stream.PLANES, 8, addr=step)
        builder.stream(Stream.SCALES, 2, addr=100 + step)
        builder.consume(Op.GEMV, 4)
    program = instructions(builder.finish())
    assert [op for op, _ in program[:6]] == [Op.STREAM] * 6
    for kind, first in ((Stream.PLANES, 0), (Stream.SCALES, 100)):
        addresses = [f["addr"] for op, f in program if op == Op.STREAM and f["stream"] == kind]
        assert addresses == [first, first + 1, first + 2]
    assert [op for op, _ in program[6:]] == [Op.WAIT, Op.GEMV] * 3


def test_a_queue_is_never_overfilled():
    builder = ProgramBuilder()
    for step in range(3 * QUEUE):
        builder.stream(Stream.PLANES, 8, addr=step)
        builder.consume(Op.GEMV, 4)
    queued, most = 0, 0
    for op, _ in instructions(builder.finish()):
        queued += (op == Op.STREAM) - (op == Op.GEMV)
        most = max(most, queued)
    assert most == QUEUE


def test_a_stream_stays_behind_the_writer_of_its_memory():
    builder = ProgramBuilder()
    builder.emit(Op.KPUT, addr=5)
    builder.emit(Op.SPUT, addr=6)
    written = len(builder)
    builder.emit(Op.VEC, 32)
    builder.stream(Stream.PLANES, 8, written, addr=5)
    builder.consume(Op.GEMV, 4)
    builder.stream(Stream.PLANES, 8, addr=7)  # has no writer, but may not overtake
    builder.consume(Op.GEMV, 4)
    program = instructions(builder.finish())
    assert [op for op, _ in program] == [Op.KPUT, Op.SPUT, Op.STREAM, Op.STREAM, Op.VEC, Op.GEMV, Op.GEMV]
    assert [f["addr"] for op, f in program if op == Op.STREAM] == [5, 7]


def test_more_streams_than_the_queue_holds_for_one_consumer_is_an_error():
    builder = ProgramBuilder()
    for step in range(QUEUE + 1):
        builder.stream(Stream.PLANES, 8, addr=step)
    with pytest.raises(ValueError, match="9 STREAMs of PLANES"):
        builder.consume(Op.GEMV, 4)


def test_long_streams_are_split():
    builder = ProgramBuilder()
    builder.stream(Stream.PLANES, 100_000, addr=1000)
    builder.consume(Op.GEMV, 4)
    pieces = [(f["addr"], f["n_base"]) for op, f in instructions(builder.finish()) if op == Op.STREAM]
    assert pieces == [(1000, 32768), (33768, 32768), (66536, 34464)]


def test_dynamic_counts_are_encoded():
    builder = ProgramBuilder()
    builder.emit(Op.VEC, Count(base=1, reg=Reg.POS, shift=2, bias=-700, limit=9, mul=4), a=3)
    [(op, fields)] = instructions(builder.finish())
    expected = {"n_base": 1, "n_reg": Reg.POS, "n_shift": 2, "n_bias": -700, "n_max": 9, "n_mul": 4, "a": 3}
    assert op == Op.VEC
    assert {name: fields[name] for name in expected} == expected
