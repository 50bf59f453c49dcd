"""The vector unit against its golden model, bit for bit, in Amaranth's own simulator and under cocotb."""

import re
from pathlib import Path
from random import Random

import numpy as np
import pytest
from dojang_hdl import isa
from dojang_hdl.config import ChipConfig, ConfigError
from dojang_hdl.isa import Add, Fn, Mul, Mul2, Reduce, Round
from dojang_hdl.vector import VecCommand, VectorUnit
from dojang_sim.benches.vector_commands import CORNERS, RX, VectorMachine, command_bits, random_patterns
from dojang_sim.benches.vector_run import load_scalar, run_commands
from dojang_sim.cocotb_runner import run_bench

PAGE = Path(__file__).parents[3] / "docs/reference/vector-unit.md"
LANES = (1, 4)
WORDS = 128
A, B, D = 0x10, RX | 0x08, 0x50


def bits(value: float) -> int:
    return int(np.float32(value).view(np.uint32))


def machine(seed: int = 1) -> VectorMachine:
    """SRAM of random patterns, element 0 a number."""
    rng = Random(seed)
    return VectorMachine(WORDS, [[0, *random_patterns(rng, WORDS * 4 - 1)] for _ in range(2)])


@pytest.fixture(params=LANES, ids=lambda lanes: f"{lanes}-lanes")
def lanes(request) -> int:
    return request.param


@pytest.fixture
def run(lanes):
    """Runs commands on a unit with this number of lanes."""
    return lambda commands, start: run_commands(VectorUnit(lanes), commands, start)


def test_lanes_are_those_of_a_word_or_one():
    with pytest.raises(ValueError, match="2 lanes, expected 1 or 4"):
        VectorUnit(2)
    with pytest.raises(ConfigError, match="chip 'two': vector_lanes=2, expected 1 or 4"):
        ChipConfig("two", vector_lanes=2)


def test_command_holds_the_instruction_fields():
    for name, width in isa.VEC:
        assert VecCommand[name].width == width, name
    fields = {name: 1 for name, _ in isa.VEC if name != "pad"}
    assert command_bits(fields) >> 64 == isa.pack(isa.VEC, fields)


LENGTHS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 31, 32, 33, 100)


def test_lengths(run):
    command = {"a": A, "b": B, "d": D, "mul": Mul.B, "store": 1, "s_out": 3}
    run([load_scalar(3, 2.5), *(command | {"n": n, "reduce": mode, "pad32": mode}
                                for mode in (Reduce.NONE, Reduce.SUM) for n in LENGTHS)], machine())


def test_every_operation(run):
    common = {"a": A, "b": B, "d": D, "n": 9, "store": 1, "s": 1, "s_a": 2, "imm0": bits(-0.37), "imm1": bits(1.75)}
    commands = [load_scalar(1, 1.5), load_scalar(2, -3)]
    commands += [common | {name: code} for name, kind in
                 (("mul", Mul), ("add", Add), ("fn", Fn), ("mul2", Mul2), ("round", Round), ("reduce", Reduce))
                 for code in kind]
    commands += [common | {flag: 1} for flag in ("swap", "a_scalar")]
    commands += [common | {"mul": Mul.B, "add": Add.B, "fn": Fn.EXP2, "mul2": Mul2.B, "round": Round.FP16, "reduce": 1,
                           "swap": 1, "s_out": 15}]
    run(commands, machine())


def test_corner_values_through_every_step(run):
    n = len(CORNERS)
    start = machine()
    start.banks[0, A * 4:A * 4 + n] = CORNERS
    start.banks[1, (B & ~RX) * 4:(B & ~RX) * 4 + n] = CORNERS[::-1]
    common = {"a": A, "b": B, "d": D, "n": n, "store": 1}
    run([common | step for step in (
        {}, {"mul": Mul.A}, {"mul": Mul.B}, {"add": Add.B}, {"fn": Fn.EXP2}, {"fn": Fn.RECIP}, {"fn": Fn.RSQRT},
        {"mul2": Mul2.B}, {"round": Round.FP16}, {"round": Round.INT8}, {"reduce": Reduce.SUM, "s_out": 1},
        {"reduce": Reduce.MAX, "s_out": 2}, {"reduce": Reduce.MAXABS, "s_out": 3})], start)


EXTREMA = (
    (0x80000000, 0x00000000), (0x00000000, 0x80000000), (0x80000001, 0x00000001), (0x7FC00000,),
    (0xFF800000, 0x7FC00000), (0xBF800000, 0xC0000000, 0x80000000), (0xC0000000, 0xBF800000),
    (0x3F800000, 0x40000000, 0x3F800001), (0x7FC00000, 0x80000000, 0x00000000, 0xFF800000, 0x00000000))


def test_extrema_of_zeros_nans_and_negatives(run):
    """In every lane, behind NaNs and in front of what does not belong to them."""
    start = machine()
    places = {}
    for values in EXTREMA:
        for before in range(4):
            places[address := 3 * len(places)] = len(values) + before
            patterns = [0x7FC00000] * before + [*values]
            start.banks[0, address * 4:address * 4 + 12] = patterns + [0x41000000] * (12 - len(patterns))
    run([{"a": a, "n": n, "reduce": mode, "s_out": mode} for a, n in places.items()
         for mode in (Reduce.SUM, Reduce.MAX, Reduce.MAXABS)], start)


def test_in_place(run):
    places = ({"a": D}, {"b": D}, {"a": D, "b": D}, {"a": D, "swap": 1})
    run([{"a": A, "b": B, "d": D, "n": n, "mul": Mul.B, "store": 1, "reduce": mode, "s_out": 1} | place
         for place in places for n in (7, 40) for mode in (Reduce.NONE, Reduce.SUM)], machine())


def test_only_elements_of_the_command_count_as_saturated(run):
    start = machine()
    clips = {0x477FE000: False, 0x477FEFFF: False, 0x477FF000: True, 0xC77FEFFF: False, 0xC77FF000: True,
             0x7F800000: True, 0xFF800000: True, 0x7FC00000: False, 0x00000001: False}
    commands = []
    for index, value in enumerate(clips):
        start.banks[0, index * 8:index * 8 + 8] = [bits(k) for k in range(5)] + [value] * 3
        common = {"a": index * 2, "d": D, "store": 1, "round": Round.FP16}
        commands += [common | {"n": 5, "pad32": 1}, common | {"n": 6}, common | {"n": 5}]
    run(commands, start)
    seen = VectorMachine(WORDS, start.banks)
    for command in commands:
        seen.execute(command)
        assert seen.saturated == (command["n"] == 6 and clips[int(start.banks[0, command["a"] * 4 + 5])])


def test_zero_length_keeps_everything_and_takes_no_time(run):
    load = load_scalar(4, 7)
    nothing = {"a": A, "d": D, "n": 0, "store": 1, "pad32": 1, "reduce": Reduce.MAX, "s_out": 4}
    assert run([load, nothing, nothing], machine())[1:] == [0, 0]


def page_cycles(lanes) -> dict[str, int]:
    """The table of docs/reference/vector-unit.md."""
    rows = re.findall(r"^\| `(\w+)`[^|]* \| (\d+) \| (\d+) \|$", PAGE.read_text(), re.MULTILINE)
    return {name: int(four if lanes == 4 else one) for name, one, four in rows}


@pytest.mark.parametrize("n", (1, 21, 23))
def test_cycles_are_those_of_the_page(lanes, run, n):
    part = page_cycles(lanes)
    steps = ("mul", "add", "fn", "mul2", "round")
    words = -(-n // 4)
    commands, expected = [], []
    for uses in ((), ("mul",), ("add", "round"), steps):
        for extra, tail in (({}, 0), ({"pad32": 1}, 8 - words), ({"reduce": Reduce.SUM}, part["SUM"]),
                            ({"reduce": Reduce.MAX}, part["MAX"]), ({"reduce": Reduce.MAXABS}, part["MAX"])):
            commands.append({"a": A, "b": B, "d": D, "n": n, "store": 1} | dict.fromkeys(uses, 1) | extra)
            reading = n if lanes == 1 else -(-n // 2) if extra.get("reduce") == Reduce.SUM else words
            expected.append(reading + part["command"] + sum(part[use] for use in uses) + tail)
    assert run(commands, machine()) == expected


def test_random_commands_under_cocotb(lanes):
    run_bench(VectorUnit(lanes), "dojang_sim.benches.vector_unit", "vector_unit",
              environment={"VECTOR_SEED": "1", "VECTOR_COMMANDS": "400"})


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 6))
def test_many_random_commands_under_cocotb(lanes, seed):
    run_bench(VectorUnit(lanes), "dojang_sim.benches.vector_unit", "vector_unit",
              environment={"VECTOR_SEED": str(seed), "VECTOR_COMMANDS": "4000"})
