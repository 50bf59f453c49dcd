"""The window codes' golden model against single bits."""

import re
from pathlib import Path

import numpy as np
import pytest
from dojang_hdl.isa import Code
from dojang_hdl.window_code import CODES
from dojang_sim.golden.window import decode, pack_payload, unpack_payload

EXACT = {Code.X2: (12, 2, 7, 3), Code.X2_5: (13, 5, 15, 4), Code.X3: (12, 3, 15, 4), Code.X4: (12, 4, 31, 5)}
codes = pytest.mark.parametrize("code", CODES.values(), ids=lambda code: code.name)


def bit_serial(code, symbols):
    """One column, one bit at a time."""
    window, weights = [0] * code.window, []
    for symbol in symbols:
        for bit in reversed(range(code.step_bits)):
            window = [symbol >> bit & 1, *window[:-1]]  # newest first
        for output in code.outputs:
            weights.append(0)
            for a, taps in output:
                parity = 0
                for tap in taps:
                    parity ^= window[tap]
                weights[-1] += a * parity
    return weights


def x(*places):
    return [("x", *place) for place in places]


def four_rows(code, row, rows):
    """The words of rows ``row`` to row + 3, without their masks: ("x", step, bit) or None, 32 bits each."""
    t = row // code.steps_rows
    if code.name == "X2":
        return x(*((t + s, i) for s in range(4) for i in range(2)))
    if code.name == "X3":
        return x((t, 0), (t, 1), (t, 2), (t + 3, 0), (t + 1, 0), (t + 1, 1), (t + 1, 2), (t + 3, 1),
                 (t + 2, 0), (t + 2, 1), (t + 2, 2), (t + 3, 2))
    if code.name == "X4":
        return x(*((t + s, i) for s in range(4) for i in range(4)))
    top = []
    if row % 8 == 0:
        top = x((t, 4), (t + 1, 4)) + (x((t + 2, 4), (t + 3, 4)) if row + 4 < rows else [None, None])
    return top + x(*((t + s, i) for s in range(2) for i in range(4)))


def quarters(code, masked, rows):
    """What each 32-bit word of a block is: of `four_rows`, or ("m", row); steps of the warm-up are negative."""
    words = {"X2": x(*((t, i) for t in range(-6, 0) for i in range(2))),
             "X3": x((-4, 0), (-4, 1), (-4, 2), (-1, 0), (-3, 0), (-3, 1), (-3, 2), (-1, 1), (-2, 0), (-2, 1), (-2, 2),
                     (-1, 2)),
             "X4": x(*((t, i) for t in (-2, -1) for i in range(4))),
             "X2.5": [*x((-2, 4), (-1, 4)), None, None, *x(*((t, i) for t in (-2, -1) for i in range(4)))]}[code.name]
    for row in range(0, rows, 4):
        if masked:
            words += [("m", row + i) for i in range(4)]
        words += four_rows(code, row, rows)
    return words


@codes
def test_codes_are_those_of_the_definition(code):
    key = next(key for key, value in CODES.items() if value is code)
    assert (code.window, code.step_bits, code.maximum, code.planes) == EXACT[key]
    assert all(sum(a for a, _ in output) == code.maximum for output in code.outputs)
    assert all(len(set(taps)) == 3 and max(taps) < code.window for output in code.outputs for _, taps in output)


@codes
def test_decoding(code):
    rng = np.random.default_rng(1)
    symbols = rng.integers(0, 1 << code.step_bits, (300, 2, 3)).astype(np.uint8)
    got = decode(code, symbols)
    assert got.dtype == np.int16 and got.shape == (300 * code.steps_rows, 2, 3)
    for column in np.ndindex(2, 3):
        assert got[:, *column].tolist() == bit_serial(code, symbols[:, *column].tolist())
    again = decode(code, symbols[37 - code.warm_up:])
    assert np.array_equal(again[code.warm_up * code.steps_rows:], got[37 * code.steps_rows:])
    assert not np.array_equal(decode(code, symbols[38 - code.warm_up:])[(code.warm_up - 1) * code.steps_rows:],
                              got[37 * code.steps_rows:])
    with pytest.raises(ValueError, match=f"a symbol of {1 << code.step_bits}"):
        decode(code, np.full((3, 1), 1 << code.step_bits))


@codes
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(("first_row", "rows"), [(0, 4), (0, 8), (0, 12), (4, 20), (16, 16), (28, 12)])
def test_every_bit_has_its_place(code, masked, first_row, rows):
    rng = np.random.default_rng(rows)
    symbols = rng.integers(0, 1 << code.step_bits, (40 // code.steps_rows, 2, 32)).astype(np.uint8)
    mask = rng.integers(0, 2, (40, 2, 32)).astype(bool)
    first = first_row // code.steps_rows
    expected = []
    for block in range(2):
        for place in quarters(code, masked, rows):
            if place is None or (place[0] == "x" and first + place[1] < 0):
                bits = np.zeros(32, int)
            elif place[0] == "m":
                bits = mask[first_row + place[1], block].astype(int)
            else:
                bits = symbols[first + place[1], block] >> place[2] & 1
            expected.append(sum(int(bit) << j for j, bit in enumerate(bits)))
    stream = pack_payload(code, symbols, mask if masked else None, first_row, rows)
    assert stream.view("<u4").tolist() == expected and len(stream) % 16 == 0
    single = [pack_payload(code, symbols[:, k], mask[:, k] if masked else None, first_row, rows) for k in range(2)]
    assert np.array_equal(np.concatenate(single), stream)

    got, kept = unpack_payload(stream, code, masked, rows, 2)
    steps = rows // code.steps_rows
    whole = np.concatenate([np.zeros((code.lead, 2, 32), np.uint8), symbols])
    assert np.array_equal(got, whole[first:first + code.lead + steps])
    assert np.array_equal(decode(code, got)[code.lead * code.steps_rows:],
                          decode(code, symbols)[first_row:first_row + rows])
    if masked:
        assert kept is not None and np.array_equal(kept, mask[first_row:first_row + rows])
    else:
        assert kept is None


def test_the_numerics_page_has_the_codes():
    page = (Path(__file__).parents[3] / "docs/reference/numerics.md").read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines()
            if line.startswith("| X")]
    written = {}
    for name, window, step_bits, range_of_q, outputs in rows:
        name = name.split(",")[0]
        found = tuple((int(a), tuple(map(int, taps.split(","))))
                      for a, taps in re.findall(r"(\d+)\{([\d,]+)\}", outputs))
        if window:
            written[name] = [int(window), int(step_bits), int(range_of_q.split()[-1])]
        written[name].append(found)
    assert written == {code.name: [code.window, code.step_bits, code.maximum, *code.outputs] for code in CODES.values()}


def test_wrong_sizes_are_named():
    code = CODES[Code.X2]
    with pytest.raises(ValueError, match="6 rows"):
        unpack_payload(np.zeros(64, np.uint8), code, False, 6, 1)
    with pytest.raises(ValueError, match="64 bytes, expected 80"):
        unpack_payload(np.zeros(64, np.uint8), code, False, 4, 1)
    with pytest.raises(ValueError, match="rows 4 to 12"):
        pack_payload(code, np.zeros((8, 32)), None, 4, 8)
