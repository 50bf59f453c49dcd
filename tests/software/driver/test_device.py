import random
import struct
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from dojang.driver import Device, LinkError, LinkTimeout, MemoryFault, Transport
from dojang_hdl import isa
from dojang_hdl.config import PRESETS, ChipConfig
from dojang_hdl.host import identity, protocol
from dojang_hdl.host.identity import fingerprint
from dojang_hdl.isa import Context
from dojang_hdl.mesh.flit import HostType, RunLayout
from dojang_sim.bridge_model import RUN, WAIT, WRITE, BridgeModel

CHIP = ChipConfig("bench", width=2, height=2, channel_mib=1)
SHORT = 0.004


class Line(Transport):
    """A line to a `BridgeModel`; ``damage(data, rng)`` changes what passes, in each direction."""

    def __init__(self, model, damage=lambda data, rng: data, seed=0):
        self.model, self.damage, self.rng = model, damage, random.Random(seed)
        self.waiting = b""
        self.writes = 0

    def write(self, data):
        self.writes += 1
        self.waiting += self.damage(self.model.feed(self.damage(data, self.rng)), self.rng)

    def read(self, maximum, timeout_s):
        if not self.waiting and timeout_s > 0:
            self.waiting = self.damage(self.model.expire(), self.rng)
        if not self.waiting:
            time.sleep(max(timeout_s, 0))
        data, self.waiting = self.waiting[:maximum], self.waiting[maximum:]
        return data

    def close(self):
        pass


def chip(contexts=CHIP.contexts, **kwargs):
    return BridgeModel(CHIP.width, CHIP.height, CHIP.lanes, contexts, CHIP.top_k, CHIP.channel_mib,
                       fingerprint=fingerprint(CHIP), **kwargs)


def noisy(data, rng):
    """A third of all transfers is damaged."""
    data = bytearray(data)
    fault = rng.randrange(15)
    if data and fault == 0:
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    elif data and fault == 1:
        del data[rng.randrange(len(data)):]
    elif data and fault == 2:
        del data[rng.randrange(len(data))]
    elif fault == 3:
        data[:0] = rng.randbytes(5)
    elif fault == 4:
        data.clear()
    return bytes(data)


def finish(model, errors=(0, 0, 0, 0), cycles=1234):
    for node, bits in enumerate(errors):
        model.message(node % 2, node // 2, 2, struct.pack("<IIII", bits, 0, 0, 0))
    model.cycles = cycles


def test_shared_layouts_are_those_of_the_hardware():
    at = 0
    for name, width in isa.RUN:
        assert (RunLayout[name].offset, RunLayout[name].width) == (at, width)
        at += width
    assert RunLayout.size == at
    assert {kind.name: kind.value for kind in protocol.Message} == {kind.name: kind.value for kind in HostType}


def test_the_driver_needs_no_hardware_description():
    code = "import sys, dojang.driver; sys.exit('amaranth' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_identity_is_compared():
    identity = Device(Line(chip())).identify(CHIP)
    assert (identity.width, identity.height, identity.channel_mib) == (2, 2, 1)
    other = ChipConfig("sim-4x4", width=4, height=4, channel_mib=128)
    with pytest.raises(LinkError, match="the chip is not sim-4x4: width is 2, expected 4; height is 2, expected 4; "
                                        "channel_mib is 1, expected 128"):
        Device(Line(chip())).identify(other)


@pytest.mark.parametrize("at, value, message", [
    (0, 0x58, "what answers on this link is not a Dojang chip"),
    (4, 9, "the chip speaks version 9 of the link protocol, this driver 4")])
def test_a_foreign_device_is_refused(at, value, message):
    model = chip()
    model.identity = model.identity[:at] + bytes((value,)) + model.identity[at + 1:]
    with pytest.raises(LinkError, match=message):
        Device(Line(model)).identify()


def test_a_fingerprint_tells_what_identify_does_not_list():
    other = replace(CHIP, name="other", sram_words=4096)
    with pytest.raises(LinkError, match=r"the chip is not other: its fingerprint is [0-9a-f]{8}, expected [0-9a-f]{8}"):
        Device(Line(chip())).identify(other)
    assert fingerprint(replace(CHIP, name="renamed", vector_lanes=4)) == fingerprint(CHIP)
    chips = {replace(chip, name="any", vector_lanes=1) for chip in PRESETS.values()}   # some boards have the same
    assert len({fingerprint(chip) for chip in chips}) == len(chips)


def test_a_fingerprint_tells_other_instructions(monkeypatch):
    """A board that was programmed before must not run programs of today."""
    own = fingerprint(CHIP)
    (name, width), *others = identity.HEAD
    monkeypatch.setattr(identity, "HEAD", ((name, width + 1), *others))
    assert fingerprint(CHIP) != own
    monkeypatch.undo()
    monkeypatch.setitem(identity.FORMATS, identity.Op.SEND, (("x", 4),))
    assert fingerprint(CHIP) != own


def test_memory_round_trip():
    model = chip()
    device = Device(Line(model))
    device.identify(CHIP)
    data = random.Random(1).randbytes(16 * 37)
    device.write_memory(1, 16 * 100, data)
    assert device.read_memory(1, 16 * 100, len(data)) == data
    assert model.memory[1, 100] == data[:16] and model.memory[1, 136] == data[-16:]
    assert device.read_memory(0, 16 * 100, 16) == bytes(16)
    device.write_memory(0, 0, b"")
    with pytest.raises(ValueError, match="address 8 and length 16 must be multiples of 16 bytes"):
        device.read_memory(0, 8, 16)


@pytest.fixture
def guarded():
    """A device and the words of its memory; whatever has a 32-bit address is one."""
    model = chip()
    model.channel_words = 1 << 32
    return Device(Line(model)), model.memory


def test_registers_of_a_guard(guarded):
    device, memory = guarded
    device.protect(1, tiles_end=0x12345680, end=0x23456788, patrol=0xABCDEF)
    assert memory.pop((1, 0x80000000)) == struct.pack("<IIII", 0x12345680, 0x23456788, 0xABCDEF, 0)
    device.inject(0, 1 << 127 | 5)
    assert memory.pop((0, 0x80000002)) == struct.pack("<HHI8x", 0, 1, 0)
    assert memory.pop((0, 0x80000003)) == (1 << 127 | 5).to_bytes(16, "little")
    device.inject(0, 7, skip=0x123, count=0x456, write=True)
    assert memory.pop((0, 0x80000002)) == struct.pack("<HHI8x", 0x123, 0x456, 1)
    memory.clear()
    memory[1, 0x80000001] = struct.pack("<IB11x", 0x3456789A, 1 << 4 | 2)
    assert device.fault(0) is None
    assert device.fault(1) == MemoryFault("lost write", 0x3456789A)
    memory[1, 0x80000001] = struct.pack("<IB11x", 0x3456789A, 2)
    assert device.fault(1) is None
    device.clear_fault(0)
    assert (0, 0x80000001) in memory


def test_injection_is_armed_last():
    model = chip()
    model.channel_words = 1 << 32
    Device(Line(model)).inject(0, 1)
    assert [struct.unpack("<I", payload[:4])[0] & 3 for _, payload in model.executed] == [3, 2]


def test_memory_behind_a_guard(guarded):
    device, memory = guarded
    data = random.Random(9).randbytes(16 * 20)
    device.write_memory(1, 16 * 77, data, physical=True)
    assert sorted(memory) == [(1, 0x40000000 + 77 + i) for i in range(20)]
    assert device.read_memory(1, 16 * 77, len(data), physical=True) == data
    assert device.read_memory(1, 16 * 77, 16) == bytes(16)


def test_without_a_guard_there_are_no_registers():
    with pytest.raises(LinkError, match="the chip refused READ: a channel, address, index or count is out of range"):
        Device(Line(chip())).fault(0)


def test_a_run_and_its_results():
    seen = []
    model = chip(on_run=lambda word, contexts: seen.append((word, dict(contexts))))
    device = Device(Line(model))
    device.identify()
    contexts = [Context(49151, 2047, 32, False, True), Context(5, 3)]
    device.run(base=0x12345678, slot_log2=9, words=77, contexts=contexts, set=0xA5)
    told = {0: 49151 | 2047 << 32 | 32 << 48 | 2079 << 68 | 1 << 89, 1: 5 | 3 << 32 | 3 << 68 | 3 << 88}
    assert seen == [(0x12345678 | 9 << 32 | 77 << 37 | 0xA5 << 61, told)]
    with pytest.raises(LinkError, match="the chip refused RUN: a run is going on"):
        device.run(0, 0, 0, [Context(0, 0)])
    with pytest.raises(LinkTimeout, match="the run has not ended after 0 s: 0 nodes are done after 0 cycles"):
        device.wait(0)
    rng = np.random.default_rng(3)
    values, ids = rng.standard_normal((4, 16)).astype("<f4"), rng.integers(0, 1 << 32, (4, 16), dtype="<u4")
    for pair in range(8):
        for node in range(4):
            pairs = zip(values[node, 2 * pair:2 * pair + 2], ids[node, 2 * pair:2 * pair + 2], strict=True)
            model.message(node % 2, node // 2, 0, b"".join(v.tobytes() + i.tobytes() for v, i in pairs))
    for node in range(4):
        for part in range(2):
            model.message(node % 2, node // 2, 1, struct.pack("<4I", *(100 * node + 4 * part + i for i in range(4))))
    finish(model, (0, 1, 0, 4), 10_000_000_000)
    result = device.wait(1)
    assert (result.cycles, result.errors, result.nodes_done, result.messages, result.overflow) == (
        10_000_000_000, 5, 4, 40, False)
    candidates, counters = device.mailbox(result.messages)
    for node in range(4):
        place = node % 2, node // 2
        np.testing.assert_array_equal(candidates[place].values, values[node])
        np.testing.assert_array_equal(candidates[place].ids, ids[node])
        assert counters[place] == [100 * node + i for i in range(8)]
    assert device.registers(10, 200) == model.registers[10:210]
    device.run(0, 0, 0, [Context(0, 0)])
    device.reset()
    assert device.wait().messages == 0


def test_contexts_of_a_run_come_in_as_many_requests_as_they_need():
    seen = []
    model = chip(on_run=lambda word, contexts: seen.append((word, dict(contexts))), contexts=32)
    device = Device(Line(model))
    device.identify()
    contexts = [Context(number, 100 - number, 32 * number) for number in range(32)]
    device.run(7, 0, 0, contexts)
    (word, told), = seen
    assert told == {number: context.word() for number, context in enumerate(contexts)}
    assert word == 7
    assert [kind for kind, _ in model.executed] == [1, 4, 4, 4]


def test_a_refusal_tells_why():
    with pytest.raises(LinkError, match="the chip refused WRITE: a channel, address, index or count is out of range"):
        Device(Line(chip())).write_memory(2, 0, bytes(16))


@pytest.mark.parametrize("seed", range(4))
def test_every_request_takes_effect_once_on_a_noisy_line(seed):
    model = chip()
    line = Line(model, noisy, seed)
    device = Device(line, timeout_s=SHORT, attempts=30)
    device.identify(CHIP)
    image = random.Random(seed).randbytes(16 * 150)
    device.write_memory(0, 0, image)
    assert device.read_memory(0, 0, len(image)) == image
    for number in range(1, 11):
        device.run(number, 0, 0, [Context(0, 0)])
        finish(model, cycles=number)
        assert device.wait().cycles == number
    executed = [kind for kind, _ in model.executed]
    assert (executed.count(RUN), executed.count(WAIT)) == (10, 10)
    assert executed.count(WRITE) >= 10
    assert [payload[0] for kind, payload in model.executed if kind == RUN] == list(range(1, 11))
    counters = device.counters()
    assert counters["host_resent"] > 3 and counters["chip_resent"] > 0
    assert counters["chip_corrupt"] + counters["chip_truncated"] >= counters["host_naks"] > 0


def test_a_corrupt_answer_is_asked_for_again():
    calls = []

    def third(data, rng):
        calls.append(data)
        return data[:-1] + bytes((data[-1] ^ 4,)) if len(calls) == 4 else data

    model = chip()
    device = Device(Line(model, third))
    device.identify()
    device.write_memory(0, 0, bytes(range(16)))
    assert [kind for kind, _ in model.executed].count(WRITE) == 1
    assert device.counters()["chip_resent"] == 1
    assert device.link.statistics["corrupt"] == 1


def test_answers_to_earlier_requests_are_ignored():
    model = chip()
    line = Line(model)
    device = Device(line)
    device.identify()
    device.write_memory(0, 0, b"a" * 16)
    line.waiting = model.feed(b"") + bytes(model._last[1])
    assert device.read_memory(0, 0, 16) == b"a" * 16
    assert device.link.statistics["stale"] == 1


def test_silence_ends_in_a_time_out():
    line = Line(chip(), lambda data, rng: b"")
    started = time.monotonic()
    with pytest.raises(LinkTimeout, match=r"^the chip does not answer IDENTIFY: silent for 3 attempts of 0.004 s$"):
        Device(line, timeout_s=SHORT, attempts=3).identify()
    assert line.writes == 3 and time.monotonic() - started < 1


def test_nothing_but_noise_ends_in_an_error():
    line = Line(chip(), lambda data, rng: rng.randbytes(20))
    message = r"^no intact answer to IDENTIFY after 3 attempts: the link is too noisy$"
    with pytest.raises(LinkError, match=message) as error:
        Device(line, timeout_s=SHORT, attempts=3).identify()
    assert not isinstance(error.value, LinkTimeout)


def test_a_new_session_is_not_answered_from_the_old_one():
    model = chip()
    first = Device(Line(model))
    first.identify()
    second = Device(Line(model))
    second.identify(CHIP)
    second.write_memory(0, 0, b"b" * 16)
    assert model.memory[0, 0] == b"b" * 16
