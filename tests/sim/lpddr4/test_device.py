"""The device model clock by clock, without a simulator: data, conditions, deadlines, images."""

import json
import random
import re

import pytest
from dojang_hdl.lpddr4.timing import Lpddr4Config
from dojang_sim.lpddr4 import Command
from dojang_sim.lpddr4.device_rules import DEVICE_RULES
from dojang_sim.lpddr4.devicespec import memspec_of
from dojang_sim.lpddr4.player import Player
from dojang_sim.lpddr4.startup import startup

RATES = (533, 1066, 1600, 3200, 4266)
SPEC = memspec_of(Lpddr4Config(1600, init_divisor=1000))
MODES = {step.register: step.operand for step in startup(SPEC) if step.command is Command.MRW}


def started(options="", spec=SPEC) -> Player:
    player = Player(spec, options=options)
    player.start()
    return player


def broken(player) -> list[tuple[str, str, str]]:
    """Command, bank and rule of each line so far."""
    lines = player.device.breaches()
    assert player.device.count("breaches") == len(lines)
    return [re.fullmatch(r"lpddr4 channel \d+: t=\d+ (.+) bank (\S+): rule (\w+), (?:earliest|latest) (?:\d+|-)",
                         line).groups() for line in lines]


def opened(player, bank=0, row=0):
    player.step(player.spec.RCD, Command.ACT, bank, row=row)


def read(player, bank=0, burst=0) -> bytes:
    time = player.step(player.spec.RL + player.spec.DQSCK + 12, Command.RD, bank, burst=burst)
    assert player.bursts[-1][0] == time + 3 + player.spec.RL + player.spec.DQSCK
    return player.bursts[-1][1]


def write(player, data, bank=0, burst=0, mask=None):
    command = Command.WR if mask is None else Command.MWR
    player.step(player.spec.WL + 13 + player.spec.WTR + player.spec.CCDMW, command, bank, burst=burst, data=data,
                mask=mask or 0)


@pytest.mark.parametrize("density", [4, 8, 16])
@pytest.mark.parametrize("rate", RATES)
def test_round_trips(rate, density, tmp_path, monkeypatch):
    """Every row bit, bank and column bit is its own; what is written is in the file at the address of the map."""
    config = Lpddr4Config(rate, density, init_divisor=1000)
    image = tmp_path / "image"
    with image.open("wb") as file:
        file.truncate(config.words * 16)            # sparse
    monkeypatch.setenv("DOJANG_MEMORY_3", str(image))
    spec = memspec_of(config)
    player = Player(spec, 3)
    player.start()
    rng = random.Random(rate + density)
    bits = [1 << bit for bit in range(config.rows.bit_length() - 1)]
    places = [(row, rng.randrange(8), rng.randrange(64)) for row in (0, *bits, config.rows - 1)]
    places += [(5, bank, 9) for bank in range(8)] + [(5, 3, 1 << bit) for bit in range(6)]
    data = {place: rng.randbytes(32) for place in places}
    for access in (write, read):
        for row, bank, burst in data:
            opened(player, bank, row)
            if access is write:
                write(player, data[row, bank, burst], bank, burst)
            else:
                assert read(player, bank, burst) == data[row, bank, burst]
            player.step(spec.RAS, Command.PREPB, bank)
            player.step(spec.REFI // 4, Command.REFAB)
    assert broken(player) == []
    player.device.close()
    with image.open("rb") as file:
        for (row, bank, burst), content in data.items():
            file.seek(((row * 8 + bank) * 64 + burst) * 32)
            assert file.read(32) == content


def test_masked_write():
    player, rng = started(), random.Random(1)
    opened(player)
    content = bytearray(32)
    for _ in range(20):
        data, mask = rng.randbytes(32), rng.getrandbits(32)
        write(player, data, mask=mask)
        content = bytearray(old if mask >> byte & 1 else new
                            for byte, (old, new) in enumerate(zip(content, data, strict=True)))
        assert read(player) == content
    data = rng.randbytes(32)                         # a plain write looks at no mask
    player.step(100, Command.WR, data=data, mask=0xFFFFFFFF)
    assert read(player) == data
    assert broken(player) == []


def test_mode_registers():
    """MR4 is the temperature, MR8 tells the density."""
    player = started("temperature=5 continue")
    for register, value in ((4, 5), (8, 4 << 2)):
        player.step(60, Command.MRR, register=register)
        assert player.bursts[-1][1][0] == value
    assert broken(player) == []


@pytest.mark.parametrize("register", [1, 2, 3])
def test_modes_before_activation(register):
    """A register never written."""
    player = Player(SPEC, options="continue")
    player.power_up()
    for command, number, value, clocks in startup(SPEC):
        if command is not Command.MRW or number != register:
            player.step(clocks, command, register=number, operand=value)
    player.step(20, Command.ACT)
    assert broken(player) == [("ACT", "0", "MODES")]


# What may be written to each register in 1600 Mb/s, and a wrong value of each field, by the bits of JESD209-4
WRONG = {
    "MR1_BL": (1, MODES[1] | 1), "MR1_WR_PRE": (1, MODES[1] ^ 4), "MR1_RD_PRE": (1, MODES[1] | 8),
    "MR1_NWR": (1, MODES[1] ^ 0x10), "MR1_RD_PST": (1, MODES[1] | 0x80), "MR2_RL": (2, MODES[2] ^ 1),
    "MR2_WL": (2, MODES[2] ^ 8), "MR2_WLS": (2, MODES[2] | 0x40), "MR2_WR_LEV": (2, MODES[2] | 0x80),
    "MR3_WR_PST": (3, MODES[3] | 2), "MR3_PPRP": (3, MODES[3] | 4), "MR3_PDDS": (3, MODES[3] | 0x38),
    "MR3_DBI_RD": (3, MODES[3] | 0x40), "MR3_DBI_WR": (3, MODES[3] | 0x80), "MR10_ZQ_RESET": (10, 1),
    "MR11_DQ_ODT": (11, 7), "MR11_RFU_3": (11, 8), "MR11_CA_ODT": (11, 0x14), "MR11_RFU_7": (11, 0x80),
    "MR12_VREF_CA": (12, 0x0D), "MR13_CBT": (13, 1), "MR13_RPT": (13, 2), "MR13_VRO": (13, 4), "MR13_VRCG": (13, 8),
    "MR13_RRO": (13, 0x10), "MR13_DMD": (13, 0x20), "MR13_FSP_WR": (13, 0x40), "MR13_FSP_OP": (13, 0x80),
    "MR14_VREF_DQ": (14, 0x4E), "REGISTER": (16, 0),
}
RIGHT = [*MODES.items(), (3, 0x08), (10, 0), (11, 0), (11, 6), (12, 0x4D), (13, 0), (14, 0x4D)]


def test_writes_to_mode_registers():
    """What the model does not stand for is named, and not written."""
    player = started("continue")
    for register, operand in RIGHT:
        player.step(20, Command.MRW, register=register, operand=operand)
    assert broken(player) == []
    for register, operand in WRONG.values():
        player.step(20, Command.MRW, register=register, operand=operand)
    assert broken(player) == [("MRW", "-", name) for name in WRONG]
    opened(player)
    read(player)        # as long after as before
    assert set(WRONG) - {"REGISTER"} | {"MR3_PU_CAL"} == {field.name for field in DEVICE_RULES.modes}


@pytest.mark.parametrize(("rate", "operand", "gap", "rule"), [
    (1600, 0, 14 + 3 + 8 - 8 + 2, "tRTW"), (1600, 4, 14 + 3 + 8 - 1 + 1, "tRTW_ODT"),
    (3200, 0, 28 + 6 + 8 - 14 + 2, "tRTW"), (3200, 4, 28 + 6 + 8 - 6 - 2 + 1, "tRTW_ODT")])
def test_read_to_write_as_mr11_says(rate, operand, gap, rule):
    """Worked out by hand, to the clock; a reset takes termination away."""
    spec = memspec_of(Lpddr4Config(rate, init_divisor=1000))
    player = started("continue restarts", spec)
    player.step(spec.MRW + 2, Command.MRW, register=11, operand=operand)
    opened(player)
    for wait, expected in ((gap, []), (gap - 1, [("WR", "0", rule)])):
        player.step(wait, Command.RD)
        player.step(100, Command.WR, data=b"" if expected else bytes(32))
        assert broken(player) == expected
    player.start()
    opened(player)
    player.step(spec.RL + spec.DQSCK + 8 - spec.WL + 2, Command.RD)
    player.step(100, Command.WR, data=bytes(32))
    assert len(broken(player)) == 1


@pytest.mark.parametrize(("change", "expected"), [
    ({}, []),
    ({"INIT1": -1}, [("RESET_HIGH", "-", "tINIT1")]),
    ({"INIT3": -1}, [("CKE_HIGH", "-", "tINIT3")]),
    ({"INIT5": -1}, [("MRW", "-", "tINIT5")]),
])
def test_waits_of_initialisation(change, expected):
    player = Player(SPEC, options="continue")
    for name, cke, reset_n in (("INIT1", False, False), ("INIT3", False, True), ("INIT5", True, True)):
        player.signals(cke=cke, reset_n=reset_n)
        player.run(getattr(SPEC, name) + change.get(name, 0))
    player.step(20, Command.MRW, register=10)
    assert broken(player) == expected


@pytest.mark.parametrize(("clocks", "expected"), [(SPEC.INIT2, []), (SPEC.INIT2 - 1, ["tINIT2"])])
def test_clock_enable_before_reset(clocks, expected):
    """CKE may be anything until shortly before RESET_n rises; but it is not high before."""
    player = Player(SPEC, options="continue restarts")
    player.run(SPEC.INIT1)
    player.signals(cke=True, reset_n=False)
    player.run(20)
    player.signals(cke=False, reset_n=False)
    player.run(clocks)
    player.signals(cke=False, reset_n=True)
    player.run(1)
    assert [rule for _, _, rule in broken(player)] == ["CKE_ORDER", "CKE", *expected]


def test_calibration_before_activation():
    player = Player(SPEC, options="continue")
    player.power_up()
    for step in startup(SPEC)[:3]:
        player.step(step.clocks, step.command, register=step.register, operand=step.operand)
    player.step(20, Command.ZQCAL_LATCH)
    player.step(20, Command.ACT)
    player.step(SPEC.ZQCAL - 1, Command.ZQCAL_START)
    player.step(1000, Command.ZQCAL_LATCH)
    player.step(20, Command.ACT)
    assert [rule for _, _, rule in broken(player)] == ["ZQ", "CALIBRATED", "tZQCAL", "CALIBRATED"]


def test_latch_needs_a_start_each():
    player = started("continue")
    player.step(SPEC.ZQCAL, Command.ZQCAL_START)
    player.step(SPEC.ZQLAT, Command.ZQCAL_LATCH)
    player.step(SPEC.ZQLAT, Command.ZQCAL_LATCH)
    assert broken(player) == [("ZQCAL_LATCH", "-", "ZQ")]


def test_command_without_power():
    player = Player(SPEC, options="continue")
    player.step(20, Command.MRW, register=1)
    assert broken(player) == [("MRW", "-", "POWERED")]


def test_signals_in_operation():
    """CKE must stay; so must RESET_n, unless restarts are wanted."""
    player = started("continue")
    player.signals(cke=False, reset_n=True)
    player.run(1)
    player.signals(cke=False, reset_n=False)
    player.run(1)
    assert broken(player) == [("CKE_LOW", "-", "CKE"), ("RESET_LOW", "-", "RESET")]


def test_restart():
    """With `restarts` the device begins anew and keeps its data; it wants its whole initialisation again."""
    player = started("continue restarts")
    opened(player)
    write(player, bytes(range(32)))
    player.start()
    opened(player)
    assert read(player) == bytes(range(32))
    player.signals(cke=False, reset_n=False)
    player.run(SPEC.INIT1 - 1)
    assert broken(player) == []
    player.signals(cke=False, reset_n=True)
    player.run(1)
    assert broken(player) == [("RESET_HIGH", "-", "tINIT1")]


def test_round_order():
    """No bank twice before all eight; REFAB begins a new round."""
    player = started("continue")
    for bank in (3, 1, 4, 1, 0, 2, 5, 6, 7, 7):
        player.step(SPEC.RFCPB, Command.REFPB, bank)
    player.step(SPEC.RFCAB, Command.REFAB)
    player.step(SPEC.RFCPB, Command.REFPB, 7)
    assert broken(player) == [("REFPB", "1", "ROUND")]
    assert [player.device.count(f"refreshes{bank}") for bank in range(8)] == [2] * 7 + [4]


def refreshed(player, start: int, times) -> None:
    for time in times:
        player.run(start + time - player.now)
        player.step(4, Command.REFAB)


def test_refresh_deadline():
    """Nine intervals without one are legal to the clock; every further one needs another refresh."""
    limit = 9 * SPEC.REFI
    for late in (0, 1):
        player = started("continue")
        origin = player.now - SPEC.ZQLAT
        refreshed(player, origin, (limit + late, limit + SPEC.REFI))
        player.run(origin + limit + 2 * SPEC.REFI + 2 - player.now)
        expected = [("REFPB", str(bank), "tREFI") for bank in range(8)] * late
        assert broken(player) == expected
        player.run(1)
        assert len(broken(player)) == len(expected) + 8 - 8 * late


def test_refreshes_in_advance():
    """Eight pulled in are worth eight intervals, the ninth nothing."""
    for count in (8, 9, 16):
        player = started("continue")
        origin = player.now - SPEC.ZQLAT
        refreshed(player, origin, range(SPEC.ZQLAT, SPEC.ZQLAT + count * SPEC.RFCAB, SPEC.RFCAB))
        pulled = min(count, 8 + (SPEC.ZQLAT + (count - 1) * SPEC.RFCAB) // SPEC.REFI)
        player.run(origin + (9 + pulled) * SPEC.REFI + 2 - player.now)
        assert broken(player) == []
        player.run(1)
        assert len(broken(player)) == 8


def test_one_bank_forgotten():
    player = started("continue")
    for bank in (0, 1, 2, 3, 4, 6, 7):
        player.step(SPEC.RFCPB, Command.REFPB, bank)
    player.run(9 * SPEC.REFI)
    assert broken(player) == [("REFPB", "5", "tREFI")]


INTERVALS = {0: 1, 1: 4, 2: 2, 3: 1, 4: 1 / 2, 5: 1 / 4, 6: 1 / 4, 7: 1 / 4}
"""tREFI by code of MR4; JESD209-4."""


@pytest.mark.parametrize("code", INTERVALS)
def test_refresh_deadline_by_temperature(code):
    """Nine of its intervals, to the clock."""
    player = started(f"continue temperature={code}")
    player.run(int(9 * SPEC.REFI * INTERVALS[code]) - SPEC.ZQLAT + 2)
    assert broken(player) == []
    player.run(2)
    assert broken(player) == [("REFPB", str(bank), "tREFI") for bank in range(8)]


def test_temperature_counts_when_it_is_read():
    """Four intervals are over when it is known that it is hot; the five that are left are shorter."""
    player = started(f"continue temperature=5:{2 * SPEC.REFI}")
    origin = player.now - SPEC.ZQLAT
    player.run(origin + 4 * SPEC.REFI - player.now)
    player.step(60, Command.MRR, register=4)
    assert player.bursts[-1][1][0] == 5
    player.run(origin + 4 * SPEC.REFI + 5 * SPEC.REFI // 4 + 2 - player.now)
    assert broken(player) == []
    player.run(2)
    assert [rule for _, _, rule in broken(player)] == ["tREFI"] * 8


@pytest.mark.parametrize("code", (1, 2, 3, 5))
@pytest.mark.parametrize("late", (0, 1))
def test_row_open_too_long(code, late):
    """Nine intervals or 70.2 µs, whichever is less."""
    player = started(f"continue temperature={code}")
    for _ in range(4):
        player.step(SPEC.RFCAB, Command.REFAB)      # else the refresh would be late first
    start, span = player.now, min(9 * SPEC.REFI * INTERVALS[code], 56160)
    opened(player, 6)
    player.run(start + -int(-span // 1) + 2 + late - player.now)
    player.step(SPEC.RPPB, Command.PREPB, 6)
    assert broken(player) == [("PREPB", "6", "tRAS_MAX")] * late


def test_all_banks_in_the_midst_of_a_round():
    """It ends the round; the banks that had their turn gain nothing by it."""
    player = started("continue")
    origin = player.now - SPEC.ZQLAT
    for bank in (0, 3):
        player.step(SPEC.RFCPB, Command.REFPB, bank)
    player.step(SPEC.RFCAB, Command.REFAB)
    player.step(SPEC.RFCPB, Command.REFPB, 3)       # a new round
    player.run(origin + 10 * SPEC.REFI + 3 - player.now)
    assert sorted(broken(player)) == [("REFPB", str(bank), "tREFI") for bank in range(8) if bank != 3]


def test_too_many_refreshes():
    """The 17th in two intervals is refused, be it the bank's own or one of all."""
    for last in (Command.REFAB, Command.REFPB):
        player = started("continue")
        start = player.now
        for _ in range(15):
            player.step(SPEC.RFCAB, Command.REFAB)
        for bank in range(8):
            player.step(SPEC.RFCPB, Command.REFPB, bank)
        player.run(start + 2 * SPEC.REFI - 1 - player.now)
        player.step(4, last, 5)
        assert broken(player) == [(last, "5" if last is Command.REFPB else "-", "tREFI_BURST")]
        player.run(SPEC.RFCAB)
        player.step(SPEC.RFCAB, last, 5)
        assert len(broken(player)) == 1


@pytest.mark.parametrize("late", (0, 1))
def test_calibration_deadline(late):
    spec = memspec_of(Lpddr4Config(1600, init_divisor=1000, upkeep_ns=200_000))
    player = started("continue", spec)
    origin = player.now - spec.ZQLAT
    player.step(spec.ZQCAL, Command.ZQCAL_START)
    for at in range(1, spec.ZQINT // spec.REFI):
        player.run(origin + at * spec.REFI - player.now)
        player.step(spec.RFCAB, Command.REFAB)
    player.run(origin + spec.ZQINT + late - player.now)
    player.step(spec.ZQLAT, Command.ZQCAL_LATCH)
    player.run(10)
    assert broken(player) == [("ZQCAL_LATCH", "-", "tZQINT")] * late


def test_write_data():
    """Data too early, too late, without a write, and missing."""
    for shift, rules in ((0, 0), (-1, 2), (1, 2)):
        player = started("continue")
        opened(player)
        time = player.now
        player.issue(time, Command.WR)
        player.drive(time + 4 + SPEC.WL + shift, bytes(32))
        player.run(60)
        assert [rule for _, _, rule in broken(player)] == ["WRITE_DATA"] * rules
    player = started("continue")
    player.drive(player.now + 5, bytes(32))
    player.run(60)
    opened(player)
    player.step(60, Command.WR)
    assert broken(player) == [("write data", "-", "WRITE_DATA")] * 2


@pytest.mark.parametrize("edges", [
    [(0x03, True), (0, False)],                                     # ACT-2 first
    [(0x00, True), (0x00, False)],                                  # MPC of nothing
    [(0x18, True), (0x00, False)],                                  # self-refresh
    [(0x10, True), (0x00, True)],                                   # selected twice
    [(0x02, True), (0x00, False), (0x00, False)],                   # RD-1 without its second half
    [(0x02, True), (0x00, False), (0x03, True), (0x00, False)],     # RD-1 and ACT-2
    [(0x01, True), (0x00, False), (0x12, True), (0x00, False)],     # ACT-1 and CAS-2
    [(0x06, True), (0x01, False), (0x12, True), (0x00, False)],     # MRW-1 and CAS-2
    [(0x02, True), (0x00, False), (0x12, True), (0x01, False)],     # from the middle of a burst (C2)
])
def test_unknown_command(edges):
    player = started("continue")
    for clock, (ca, cs) in enumerate(edges, player.now):
        player.edge(clock, ca, cs)
    player.run(10)
    assert broken(player) == [("unknown command", "-", "UNKNOWN")]


def test_small_image(tmp_path, monkeypatch, capfd):
    image = tmp_path / "image"
    image.write_bytes(bytes(range(256)) * 16)       # row 0 of banks 0 and 1
    monkeypatch.setenv("DOJANG_MEMORY_0", str(image))
    player = started("continue")
    opened(player, 1)
    assert read(player, 1, 63) == bytes(range(224, 256))
    opened(player, 2)
    assert read(player, 2, 0) == bytes(32)
    assert broken(player) == [("RD", "2", "IMAGE")]
    assert "word 0x100 of row 0x0, the memory has 0x100 words" in capfd.readouterr().err


@pytest.mark.parametrize(("size", "options", "message"), [
    (None, "", "cannot be opened: No such file or directory"),
    (0, "", "has 0 bytes, expected a multiple of 32"),
    (48, "", "has 48 bytes, expected a multiple of 32"),
    (32, "trace", "option is trace, expected continue"),
    (32, "temperature=8", "option is temperature=8, expected a number from 0 to 7"),
    (32, "drop=x", "option is drop=x, expected a number"),
    (32, "flip=3", "option is flip=3, expected flip=WORD:BIT"),
    (32, "flip=3:128", "option is flip=3:128, expected a number from 0 to 127"),
    (32, "stick=ck0:1", "option is stick=ck0:1, expected stick=caN:LEVEL"),
    (32, "stick=dq16:1", "option is stick=dq16:1, expected a number from 0 to 15"),
])
def test_refusals(size, options, message, tmp_path, monkeypatch, capfd):
    image = tmp_path / "image"
    if size is not None:
        image.write_bytes(bytes(size))
    monkeypatch.setenv("DOJANG_MEMORY_0", str(image))
    with pytest.raises(ValueError, match="cannot be opened"):
        Player(SPEC, options=options)
    assert message in capfd.readouterr().err


def test_statistics(tmp_path):
    path = tmp_path / "statistics.json"
    player = started(f"continue statistics={path}")
    opened(player)
    write(player, bytes(32))
    read(player)
    write(player, bytes(32), mask=1)
    player.step(50, Command.PREPB)
    player.step(SPEC.RFCPB, Command.REFPB, 2)
    player.step(20, Command.RD)
    clocks = player.now
    player.device.close()
    found = json.loads(path.read_text())
    commands = {name: count for name, count in found.pop("commands").items() if count}
    assert commands == {"ACT": 1, "WR": 1, "RD": 1, "MWR": 1, "PREPB": 1, "REFPB": 1, "MRW": 3, "ZQCAL_START": 1,
                        "ZQCAL_LATCH": 1}
    assert found == {"clocks": clocks, "breaches": 1, "turnarounds": 2, "refreshes": [0, 0, 1, 0, 0, 0, 0, 0]}
