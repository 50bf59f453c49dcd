"""Configuration and timing against figures typed in from elsewhere."""

import re
from itertools import count

import pytest
from dojang_hdl.lpddr4.timing import Lpddr4Config, Lpddr4ConfigError
from hypothesis import given
from hypothesis import strategies as st

RATES = (533, 1066, 1600, 3200, 4266)

# 8 Gb part in tCK, by the rates above. 533, 1600, 3200 and 4266: as in DRAMSys 5.0's memspecs, but for the values that
# follow; 1066: by hand from the nanoseconds of JESD209-4.
# * The memspecs round tCK to 3.75 and 0.468 ns and so have tREFI 1041 (533) and 8341 (4266) and tRTP 17 (4266). By the
#   exact clocks refreshes come a little earlier, and 7.5 ns are just 16 clocks of 2133 MHz.
# * tDQSCK is the longest of the standard, 3.5 ns rounded up (the memspec of 1600 has 2): nothing tells where a part is.
# * NWR is a field of MR1, for auto-precharge, from the table of latencies: not tWR.
FIGURES = {
    "RCD": (5, 10, 15, 29, 39),
    "RPPB": (5, 10, 15, 29, 39),
    "RPAB": (6, 12, 17, 34, 45),
    "RAS": (12, 23, 34, 68, 90),
    "RCPB": (17, 33, 49, 97, 129),
    "RRD": (4, 6, 8, 16, 22),
    "FAW": (32, 32, 32, 64, 86),
    "WR": (6, 10, 15, 29, 39),
    "WTR": (8, 8, 8, 16, 22),
    "RTP": (8, 8, 8, 12, 16),
    "RL": (6, 10, 14, 28, 36),
    "WL": (4, 6, 8, 14, 18),
    "NWR": (6, 10, 16, 30, 40),
    "NRTP": (8, 8, 8, 12, 16),
    "RFCAB": (75, 150, 224, 448, 598),
    "RFCPB": (38, 75, 112, 224, 299),
    "REFI": (1040, 2080, 3123, 6246, 8327),
    "DQSCK": (1, 2, 3, 6, 8),
}


@pytest.mark.parametrize("rate", RATES)
def test_timing_in_clocks(rate):
    timing = Lpddr4Config(rate).timing()
    at = RATES.index(rate)
    assert {name: getattr(timing, name) for name in FIGURES} == {name: row[at] for name, row in FIGURES.items()}
    assert (timing.CCD, timing.CCDMW, timing.PPD, timing.WPRE) == (8, 32, 4, 2)
    assert timing.RAS_MAX == 351 * rate // 10       # 70.2 µs


@pytest.mark.parametrize("rate, derated", [(1600, (16, 16, 19, 36, 10)), (3200, (32, 32, 37, 71, 19))])
def test_above_85_degrees(rate, derated):
    """+ 1.875 ns, worked out by hand, on four parameters; nothing else changes."""
    cold, hot = Lpddr4Config(rate).timing(), Lpddr4Config(rate).timing(derated=True)
    grown = {name for name in vars(cold) if getattr(cold, name) != getattr(hot, name)}
    assert grown == {"RCD", "RPPB", "RPAB", "RAS", "RRD", "RCPB"}
    assert (hot.RCD, hot.RPPB, hot.RPAB, hot.RAS, hot.RRD) == derated
    assert hot.RCPB == hot.RAS + hot.RPPB


@pytest.mark.parametrize("density, rfc_ab, rfc_pb, rows", [(4, 144, 72, 32768), (8, 224, 112, 65536),
                                                           (16, 304, 152, 131072)])
def test_density(density, rfc_ab, rfc_pb, rows):
    config = Lpddr4Config(1600, density)
    assert (config.timing().RFCAB, config.timing().RFCPB) == (rfc_ab, rfc_pb)
    assert config.rows == rows
    assert config.words * 128 == density << 30


# Highest clock in MHz of each latency code
@pytest.mark.parametrize("rate, code, rl", [(66, 0, 6), (533, 0, 6), (534, 1, 10), (1067, 1, 10), (1068, 2, 14),
                                            (2132, 3, 20), (2134, 4, 24), (3200, 5, 28), (3202, 6, 32), (4267, 7, 36)])
def test_latency_code(rate, code, rl):
    assert (Lpddr4Config(rate).latency_code, Lpddr4Config(rate).timing().RL) == (code, rl)


@pytest.mark.parametrize("rate, ratio, delay", [(533, 8, 1), (533, 4, 2), (1600, 4, 3), (1600, 8, 1), (4266, 8, 2),
                                                (4266, 4, 5)])
def test_write_delay(rate, ratio, delay):
    """Whole cycles of WL + 4: WL 4, 8 and 18."""
    assert Lpddr4Config(rate, ratio=ratio).write_delay == delay


@given(ns=st.fractions(0, 5000), rate=st.integers(132, 4267), least=st.integers(0, 40),
       ratio=st.sampled_from((4, 8)))
def test_clocks_last_long_enough_and_no_longer(ns, rate, least, ratio):
    config = Lpddr4Config(rate, ratio=ratio)
    clocks, cycles = config.clocks(ns, least), config.cycles(ns)
    assert clocks >= least and clocks * config.tck_ns >= ns
    assert clocks == least or (clocks - 1) * config.tck_ns < ns
    assert cycles * ratio * config.tck_ns >= ns and (cycles == 0 or (cycles - 1) * ratio * config.tck_ns < ns)


@given(clocks=st.integers(0, 3000), ratio=st.sampled_from((4, 8)),
       kinds=st.tuples(*2 * [st.sampled_from(("row", "column"))]))
def test_spacing_is_the_least(clocks, ratio, kinds):
    """Column commands start with the cycle, row commands end with it."""
    starts = [0 if kind == "column" else ratio - 4 for kind in kinds]
    least = next(cycles for cycles in count(-1) if starts[1] + cycles * ratio - starts[0] >= clocks)
    assert Lpddr4Config(ratio=ratio).spacing(clocks, *kinds) == least


SLOWER = "slower, refreshes of a hot part cannot keep up"


@pytest.mark.parametrize("rate, ratio, refused", [(66, 4, 65), (132, 8, 131)])
def test_slowest_rate(rate, ratio, refused):
    """tREFI / 32 is 122 ns: four clocks of 33 MHz, eight of 66."""
    assert Lpddr4Config(rate, ratio=ratio).rate == rate
    with pytest.raises(Lpddr4ConfigError, match=f"^lpddr4: rate={refused}, expected {rate} to 4267 .* ratio {ratio} "):
        Lpddr4Config(refused, ratio=ratio)


@pytest.mark.parametrize("field, value, expected", [
    *(("rate", rate, f"66 to 4267 Mb/s at ratio 4 ({SLOWER})") for rate in (65, 20, -1, 4268)),
    ("upkeep_ns", 199_999, "200000 to 1000000000 ns"), ("upkeep_ns", 10 ** 9 + 1, "200000 to 1000000000 ns"),
    ("density", 6, "one of 4, 8, 16 Gb"), ("ratio", 2, "4 or 8"), ("ratio", 16, "4 or 8"),
    ("ports", 2, "1 at ratio 4"), ("ports", 0, "1 at ratio 4"),
    ("init_divisor", 0, "at least 1")])
def test_bad_values(field, value, expected):
    with pytest.raises(Lpddr4ConfigError, match=f"^lpddr4: {field}={value}, expected {re.escape(expected)}$"):
        Lpddr4Config(**{field: value})
