"""What a session asks of the device, and what it makes of the answers, on a device that runs nothing."""

import numpy as np
import pytest
from dojang.checkpoints import LlamaShape, load
from dojang.checkpoints.synthetic import write_synthetic
from dojang.compile import compile_model
from dojang.driver import Candidates, MemoryFault, RunResult, Upload
from dojang.sessions import SessionError
from dojang.sessions.board import BOARD_PATROL_CYCLES, BoardSession
from dojang.sessions.device import PATROL_CYCLES, DeviceSession
from dojang_hdl.config import preset

SHAPE = LlamaShape(layers=1, d=64, heads=2, kv_heads=1, head_dim=32, ffn=96, vocab=260, context=24)


class FakeDevice:
    """Keeps its calls. Register r holds r; the error bits of a run are ``errors``."""

    def __init__(self):
        self.calls, self.errors, self.faults = [], 0, {}

    def identify(self, config):
        self.calls.append("identify")

    def protect(self, channel, tiles_end, end, patrol):
        self.calls.append(("protect", channel, tiles_end, end, patrol))

    def clear_fault(self, channel):
        self.calls.append(("clear_fault", channel))

    def run(self, *_):
        self.calls.append("run")

    def wait(self, timeout_s):
        return RunResult(1000, self.errors, 4, 0, False)

    def mailbox(self, count):
        return {(0, 0): Candidates(np.array([1.5], "<f4"), np.array([3], "<u4"))}, {(0, 0): [10, 2, 3, 20]}

    def registers(self, first, count):
        return list(range(first, first + count))

    def fault(self, channel):
        return self.faults.get(channel)


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    path = write_synthetic(tmp_path_factory.mktemp("model") / "small.gguf", SHAPE, "Q4_1")
    return compile_model(load(path), preset("sim-2x2"), 24)


@pytest.mark.parametrize("guarded", [False, True])
def test_guards_are_told_what_the_memory_holds_before_anything_runs(image, guarded):
    device = FakeDevice()
    DeviceSession(device, image, guarded).decode(1)
    ends = image.protection.tiles_end, image.protection.end
    told = [call for channel in (0, 1)
            for call in (("protect", channel, *ends, PATROL_CYCLES), ("clear_fault", channel))]
    assert device.calls == ["identify", *(told if guarded else []), "run"]


def test_guards_of_boards_look_at_their_slower_memory_less_often(image):
    device = FakeDevice()
    BoardSession(device, image, guarded=True, config=image.config, clock_hz=75_000_000, upload=Upload(0))
    assert [call[-1] for call in device.calls if call[0] == "protect"] == [BOARD_PATROL_CYCLES] * 2
    assert BOARD_PATROL_CYCLES == 4 * PATROL_CYCLES


def test_memory_counters_are_those_of_decode_passes(image):
    session = DeviceSession(FakeDevice(), image)
    session.prefill([1, 2])
    assert session.summary()["memory_guard"] == [{}, {}]
    session.decode(3)
    session.decode(4)
    summary = session.summary()
    assert [commands["reads"] for commands in summary["memory_commands"]] == [2 * 128, 2 * 160]
    assert summary["memory_guard"][0] == {
        "tiles_reread": 2 * 144, "clusters_reread": 2 * 145, "errors": 2 * 146, "corrected": 2 * 147, "merged": 2 * 148,
        "patrolled": 2 * 149, "verified": 2 * 150}
    assert summary["memory_guard"][1]["tiles_reread"] == 2 * 176


def test_a_memory_error_is_told_with_its_place(image):
    device = FakeDevice()
    session = DeviceSession(device, image, guarded=True)
    session.prefill([1, 2])
    device.errors, device.faults = 1 << 8, {1: MemoryFault("cluster", 0x12340)}
    with pytest.raises(SessionError, match=r"^memory error that cannot be corrected, up to position 2: cluster at word "
                                           r"address 0x12340 of channel 1$"):
        session.decode(3)
    device.faults[0] = MemoryFault("lost write", 8)
    with pytest.raises(SessionError, match=r": lost write at word address 0x8 of channel 0, cluster at word address "
                                           r"0x12340 of channel 1$"):
        session.decode(3)


def test_errors_of_the_nodes_are_told_as_before(image):
    device = FakeDevice()
    device.errors = 1
    with pytest.raises(SessionError, match=r"^the chip reports errors 0x01 \(bit 0: infinity or NaN"):
        DeviceSession(device, image).decode(1)
