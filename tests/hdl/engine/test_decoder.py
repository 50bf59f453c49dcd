"""The window decoder against the golden model of the codes."""

import numpy as np
import pytest
from dojang_hdl.engine.decoder import WindowDecoder
from dojang_hdl.engine.parity import parities
from dojang_hdl.isa import Code
from dojang_hdl.window_code import CODES
from dojang_sim.benches.decoder import (
    check_codes,
    check_decoder,
    check_full,
    check_latency,
    check_parities,
    check_rate,
    check_ready,
    check_reset,
    random_command,
)

all_lanes = pytest.mark.parametrize("lanes", [1, 2, 4])


@all_lanes
@pytest.mark.parametrize("stalls", [(0, 0), (0.4, 0), (0, 0.4), (0.3, 0.3), (0.05, 0.9)])
def test_codes_follow_each_other(lanes, stalls):
    check_codes(lambda: WindowDecoder(lanes), lanes, CODES, stalls, seed=lanes)


@all_lanes
def test_rate(lanes):
    check_rate(lambda: WindowDecoder(lanes), lanes, CODES)


@all_lanes
def test_latency(lanes):
    check_latency(lambda: WindowDecoder(lanes), lanes)


@pytest.mark.parametrize("lanes", [pytest.param(1, marks=pytest.mark.slow), 2, 4])
def test_planes_wait_in_the_queue(lanes):
    check_full(lambda: WindowDecoder(lanes), lanes)


@all_lanes
def test_ready_depends_on_registers_only(lanes):
    check_ready(lambda: WindowDecoder(lanes), lanes, CODES)


@all_lanes
def test_reset(lanes):
    check_reset(lambda: WindowDecoder(lanes), lanes, CODES)


@pytest.mark.parametrize("codes", [(Code.X2,), (Code.X2_5,), (Code.X3,), (Code.X4,), (Code.X2, Code.X2_5),
                                   (Code.X3, Code.X4)])
def test_some_codes_only(codes):
    check_codes(lambda: WindowDecoder(2, codes), 2, codes, (0.2, 0.2), seed=3)
    check_rate(lambda: WindowDecoder(4, codes), 4, codes)


def test_many_rows_and_many_blocks():
    rng = np.random.default_rng(1)
    commands = [random_command(Code.X2_5, True, 260, 1, 0, 4, rng), random_command(Code.X3, False, 4, 40, 0, 4, rng),
                random_command(Code.PLAIN, False, 264, 1, 1, 4, rng)]
    check_decoder(lambda: WindowDecoder(4), commands, (0, 0.1), seed=1)


def test_parities():
    check_parities(parities)
