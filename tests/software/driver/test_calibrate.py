"""Calibration against a memory whose lanes read right only inside a window of settings, and every way it can fail."""

import random

import pytest
from dojang.driver.calibrate import CalibrationError, Setting, calibrate
from dojang_hdl.config import WORD_BYTES
from dojang_hdl.isa import pack
from dojang_hdl.memory_control import (
    CONTROL_WINDOW,
    ENTRY,
    IDENTITY,
    LEVELS,
    MAGIC,
    STATUS,
    MemoryControl,
)

WORDS, DELAYS, BITSLIPS, LANES = 4096, 8, 4, 2
STEPS = ((0, 0, 0b1000, 0, 50), (0, 0, 0b1010, 0, 70), (0x123, 2, 0, 0b1111, 4), (0x5, 0, 0, 0b1101, 30))
"""address, bank, control, command, delay of the initialisation."""


class Board:
    """What `calibrate` needs of a device. ``windows[lane]``: each (bitslip, delay) at which the lane reads right."""

    def __init__(self, windows, kind=0, magic=MAGIC, levels=True, status=0, timer=100):
        self.windows, self.status, self.timer_step = windows, status, timer
        self.fixed = {
            MemoryControl.IDENTITY: pack(IDENTITY, {"magic": magic, "kind": kind, "lanes": LANES,
                                                    "entries": len(STEPS)}),
            MemoryControl.LEVELS: pack(LEVELS, {"delays": DELAYS * levels, "bitslips": BITSLIPS * levels,
                                                "settle": 200}),
            MemoryControl.WORDS: WORDS}
        for number, (address, bank, control, command, delay) in enumerate(STEPS):
            at = MemoryControl.SEQUENCE + 2 * number
            self.fixed[at] = pack(ENTRY, {"address": address, "bank": bank, "control": control, "command": command})
            self.fixed[at + 1] = delay
        self.timer, self.selected, self.delay, self.bitslip = 0, 0, [0] * LANES, [0] * LANES
        self.dfi, self.log, self.memory = {}, [], {}
        self.noise = random.Random(1)

    def _strobe(self, register, value):
        chosen = [lane for lane in range(LANES) if self.selected >> lane & 1]
        if register == MemoryControl.LANES:
            self.selected = value
        elif register == MemoryControl.STATUS:
            self.status = value
        elif register == MemoryControl.TIMER:
            self.timer = value
            self.log.append(("wait", value))
        elif register == MemoryControl.DFI_CONTROL:
            self.log.append(("control", value))
        elif register == MemoryControl.DFI_ISSUE:
            self.log.append(("command", *(self.dfi[r] for r in (MemoryControl.DFI_ADDRESS, MemoryControl.DFI_BANK,
                                                               MemoryControl.DFI_COMMAND))))
        elif register in (MemoryControl.DFI_ADDRESS, MemoryControl.DFI_BANK, MemoryControl.DFI_COMMAND):
            self.dfi[register] = value
        else:
            for lane in chosen:
                setting = self.delay if register <= MemoryControl.DELAY_STEP else self.bitslip
                reset = register in (MemoryControl.DELAY_RESET, MemoryControl.BITSLIP_RESET)
                setting[lane] = 0 if reset else setting[lane] + 1

    def write_memory(self, channel, byte_addr, data, physical=False):
        first = byte_addr // WORD_BYTES
        for at in range(0, len(data), WORD_BYTES):
            word = data[at:at + WORD_BYTES]
            if first >= CONTROL_WINDOW:
                self._strobe(first - CONTROL_WINDOW + at // WORD_BYTES, int.from_bytes(word, "little"))
            else:
                assert physical and first + at // WORD_BYTES < WORDS
                self.memory[first + at // WORD_BYTES] = word

    def read_memory(self, channel, byte_addr, length, physical=False):
        first = byte_addr // WORD_BYTES
        if first >= CONTROL_WINDOW:
            register = first - CONTROL_WINDOW
            self.timer = max(self.timer - self.timer_step, 0)
            value = {MemoryControl.STATUS: self.status, MemoryControl.TIMER: self.timer}.get(register)
            value = self.fixed[register] if value is None else value
            return (value | 0xABCD << 112).to_bytes(WORD_BYTES, "little")   # all but the lowest 32 bits is undefined
        assert physical
        data = bytearray(b"".join(self.memory[first + i] for i in range(length // WORD_BYTES)))
        for lane in range(LANES):
            if self.selected >> lane & 1 or (self.bitslip[lane], self.delay[lane]) not in self.windows[lane]:
                data[lane::LANES] = self.noise.randbytes(len(data[lane::LANES]))
        return bytes(data)


def window(bitslip, *delays):
    return {(bitslip, delay) for delay in delays}


def test_every_lane_gets_the_middle_of_its_widest_window():
    board = Board([window(1, 0, 1) | window(2, 2, 3, 4, 5, 6), window(0, 7) | window(3, 0, 1, 2)])
    result = calibrate(board)
    assert [lane.chosen for lane in result.lanes] == [Setting(2, 4), Setting(3, 1)]
    assert [lane.window for lane in result.lanes] == [5, 3]
    assert (board.bitslip, board.delay) == ([2, 3], [4, 1]) and board.selected == 0
    assert board.status == pack(STATUS, {"initialised": 1})
    assert result.kind == "ddr3" and result.words == WORDS and not result.kept
    assert "lane 0  bitslip 2  ..##O##." in result.table() and "lane 1  bitslip 0  .......#" in result.table()


def test_the_initialisation_is_played_as_the_board_says():
    board = Board([window(0, *range(DELAYS))] * LANES)
    calibrate(board)
    steps = [entry for entry in board.log if entry[0] != "wait"]
    assert steps == [("control", 0b1000), ("control", 0b1010), ("command", 0x123, 2, 0b1111),
                     ("command", 0x5, 0, 0b1101), ("control", 1)]
    assert [entry[1] for entry in board.log if entry[0] == "wait"] == [50, 70, 4, 30, 200]


def test_a_memory_that_is_ready_is_left_alone_unless_forced():
    ready = pack(STATUS, {"initialised": 1})
    board = Board([window(0, 3)] * LANES, status=ready)
    assert calibrate(board).kept and board.log == []
    assert not calibrate(board, force=True).kept and board.log


def test_a_memory_without_levels_is_only_initialised_and_checked():
    board = Board([window(0, 0)] * LANES, kind=1, levels=False)
    assert calibrate(board).lanes == () and board.status == pack(STATUS, {"initialised": 1})


def failing(board, *words):
    with pytest.raises(CalibrationError) as error:
        calibrate(board)
    assert all(word in str(error.value) for word in words), error.value
    return error.value


def test_a_lane_that_never_reads_right_is_named_with_what_was_tried():
    board = Board([window(0, 1, 2), set()])
    error = failing(board, "byte lane 1", "delays 0 to 7", "bitslips 0 to 3")
    assert board.status == pack(STATUS, {"error": 1}) and error.lanes[0].chosen == Setting(0, 1)


def test_a_memory_without_levels_that_reads_wrong_is_named():
    failing(Board([window(0, 0), set()], kind=1, levels=False), "byte lane 1", "reads wrong")


def test_no_controls():
    failing(Board([set()] * LANES, magic=0x1234), "no controls", "0x1234")


def test_a_clock_that_stands_still_is_no_hang():
    failing(Board([set()] * LANES, timer=0), "timer", "stands still at 50")


def test_settings_that_fail_later_are_named():
    class Fading(Board):
        def _strobe(self, register, value):
            super()._strobe(register, value)
            if register == MemoryControl.LANES and not value and self.delay[0] == 2 != self.delay[1]:
                self.windows = [set(), self.windows[1]]
    board = Fading([window(0, 1, 2, 3), window(1, 4, 5, 6)])
    failing(board, "byte lane 0", "lane 0: bitslip 0, delay 2", "lane 1: bitslip 1, delay 5")
    assert board.status == pack(STATUS, {"error": 1})
