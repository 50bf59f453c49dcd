"""What a session asks of the device, and what it makes of the answers, on a device that runs nothing."""

from dataclasses import replace

import numpy as np
import pytest
from dojang.checkpoints import ModelShape, load
from dojang.checkpoints.synthetic import random_set, write_synthetic
from dojang.compile import compile_model
from dojang.driver import Candidates, MemoryFault, RunResult
from dojang.sessions import MemoryFullError, NonfiniteError, SessionError
from dojang.sessions.device import PATROL_CYCLES, DeviceSession
from dojang.sessions.golden import GoldenSession
from dojang_hdl.config import preset
from dojang_hdl.isa import Context, Flag
from dojang_sim.golden.model import GoldenModel

SHAPE = ModelShape(layers=1, d=64, heads=2, kv_heads=1, head_dim=32, ffn=96, vocab=260, context=24)

TOP_K = preset("sim-2x2").top_k


class FakeDevice:
    """Keeps its calls. Register r holds r; the error bits of a run are ``errors``."""

    def __init__(self):
        self.calls, self.sets, self.told, self.errors, self.faults = [], [], [], 0, {}

    def identify(self, config):
        self.calls.append("identify")

    def protect(self, channel, tiles_end, end, patrol):
        self.calls.append(("protect", channel, tiles_end, end, patrol))

    def clear_fault(self, channel):
        self.calls.append(("clear_fault", channel))

    def run(self, base, slot_log2, words, contexts, set):
        self.calls.append("run")
        self.sets.append((contexts[0].position, set))
        self.told.append(contexts)

    def wait(self, timeout_s):
        return RunResult(1000, self.errors, 4, 0, False)

    def mailbox(self, count):
        """Lists of one candidate, of each context that it was asked of: its number."""
        asked = [c for c, context in enumerate(self.told[-1]) if context.choice]
        values, ids = np.full((len(asked), TOP_K), -np.inf, "<f4"), np.zeros((len(asked), TOP_K), "<u4")
        values[:, 0], ids[:, 0] = 1.5, asked
        return {(0, 0): Candidates(values.reshape(-1), ids.reshape(-1))}, {(0, 0): [10, 2, 3, 20]}

    def registers(self, first, count):
        return list(range(first, first + count))

    def fault(self, channel):
        return self.faults.get(channel)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return load(write_synthetic(tmp_path_factory.mktemp("model") / "small.gguf", SHAPE, "Q4_1"))


@pytest.fixture(scope="module")
def image(checkpoint):
    return compile_model(checkpoint, preset("sim-2x2"), 24)


@pytest.mark.parametrize("guarded", [False, True])
def test_guards_are_told_what_the_memory_holds_before_anything_runs(image, guarded):
    device = FakeDevice()
    DeviceSession(device, image, guarded).decode(1)
    ends = image.protection.tiles_end, image.protection.end
    told = [call for channel in (0, 1)
            for call in (("protect", channel, *ends, PATROL_CYCLES), ("clear_fault", channel))]
    assert device.calls == ["identify", *(told if guarded else []), "run"]


def test_logits_are_asked_for_if_somebody_looks_at_them(image):
    device, row = FakeDevice(), np.zeros(4, np.float32)
    assert DeviceSession(device, image).decode(1).logits is None
    assert DeviceSession(device, image, read_logits=lambda c: row).decode(1).logits is row
    assert [context.logits for contexts in device.told for context in contexts] == [False, True]


def test_sequences_share_a_pass_at_their_own_positions_and_rows(checkpoint):
    """A pass of three of them has a program of its own; one of more than there is a program for repeats the last."""
    config = replace(preset("sim-2x2"), contexts=8)
    device = FakeDevice()
    image = compile_model(checkpoint, config, 24, rows=128)
    session = DeviceSession(device, image)
    first, second, third = (session.add(positions) for positions in (24, 10, 20))
    session.step({first: [1, 2], third: [3]})
    steps = session.step({third: [4], second: [5, 6, 7], first: [8]})
    assert device.told[0] == [Context(1, 0, 0, False, False), Context(2, 1, 0, False, True),
                              Context(3, 0, 64, False, True)]
    repeated = Context(8, 2, 0, False, False)
    assert device.told[1] == [Context(4, 1, 64, False, True), Context(5, 0, 32, False, False),
                              Context(6, 1, 32, False, False), Context(7, 2, 32, False, True),
                              Context(8, 2, 0, False, True), repeated]
    assert [(number, [None if step.candidates is None else step.candidates[0].tolist() for step in steps[number]])
            for number in steps] == [(third, [[0]]), (second, [None, None, [3]]), (first, [[4]])]
    assert [step.cycles for of in steps.values() for step in of] == [0, 0, 0, 0, 1000]


def test_logits_after_going_back_are_those_of_a_fresh_session(checkpoint):
    fresh, used = GoldenSession(checkpoint, 24), GoldenSession(checkpoint, 24)
    used.prefill([1, 2, 9, 9, 9])
    used.rewind(2)
    assert np.array_equal(used.decode(3).logits, fresh.prefill([1, 2, 3])[-1].logits)


def test_a_session_that_goes_back_takes_the_golden_model_along(checkpoint, image):
    device = FakeDevice()
    session = DeviceSession(device, image, golden=GoldenSession(checkpoint, 24))
    session.prefill([1, 2, 3])
    session.rewind(1)
    session.decode(4)
    assert [position for position, _ in device.sets] == [0, 1]
    assert session._golden is not None and session._golden.length(0) == 2
    with pytest.raises(SessionError, match="position 3 was asked for, expected 0 to 2"):
        session.rewind(3)


def test_a_scale_set_is_used_from_the_next_pass_on(checkpoint):
    device = FakeDevice()
    image = compile_model(checkpoint, replace(preset("sim-2x2"), coded=True), 24, [random_set(checkpoint, "set", 1)])
    session = DeviceSession(device, image)
    assert session.sets == 2
    session.prefill([1, 2])
    session.use_set(1)
    session.prefill([1, 2, 3, 4, 5])
    session.use_set(0)
    session.decode(3)
    for index in (2, -1):
        with pytest.raises(SessionError, match=rf"^scale set {index} was asked for, expected 0 to 1$"):
            session.use_set(index)
    session.decode(3)
    assert device.sets == [(0, 0), (2, 1), (6, 1), (7, 0), (8, 0)]


def test_the_golden_session_keeps_its_cache_when_the_set_changes(checkpoint):
    one, two = (random_set(checkpoint, "set", seed) for seed in range(2))
    sessions = [GoldenSession(checkpoint, 24, [one, two]) for _ in range(2)]
    for session in sessions:
        session.prefill([1, 2, 3])
    sessions[1].use_set(1)
    changed = sessions[1].decode(4).logits
    model = GoldenModel(checkpoint, 24)
    model.forward([1, 2, 3], 0)
    model.rescale(checkpoint.with_set(one))
    np.testing.assert_array_equal(changed, model.forward([4], 3)[0])
    sessions[1].use_set(0)
    back, never = sessions[1].decode(5).logits, [sessions[0].decode(token).logits for token in (4, 5)]
    assert not np.array_equal(changed, never[0]) and not np.array_equal(back, never[1])
    assert session.sets == 3


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
    with pytest.raises(SessionError, match=r"^memory error that cannot be corrected, found at position 2: cluster at "
                                           r"word address 0x12340 of channel 1$"):
        session.decode(3)
    device.faults[0] = MemoryFault("lost write", 8)
    with pytest.raises(SessionError, match=r": lost write at word address 0x8 of channel 0, cluster at word address "
                                           r"0x12340 of channel 1$"):
        session.decode(3)


def test_a_saturated_value_is_noted_with_the_first_pass(checkpoint, image):
    device = FakeDevice()
    session = DeviceSession(device, image, golden=GoldenSession(checkpoint, 24))
    session.prefill([1, 2])
    assert session.summary()["saturated"] == {}
    device.errors = Flag.SATURATED
    session.prefill([3, 4, 5])
    assert session.summary()["saturated"] == {"position 2": 1}
    session.decode(6)
    device.errors = 0
    session.decode(7)
    assert session.summary()["saturated"] == {"position 2": 1}
    session._golden._model.saturated["0.a"] = 3
    assert session.summary()["saturated"] == {"position 2": 1, "0.a": 3}


@pytest.mark.parametrize("bits", [Flag.NONFINITE | Flag.SATURATED, 1 << 7, 1 << 2 | Flag.SATURATED])
def test_saturation_hides_no_error(image, bits):
    device = FakeDevice()
    device.errors = bits
    with pytest.raises(SessionError, match=rf"^the chip reports errors 0x{int(bits):02x} "):
        DeviceSession(device, image).decode(1)


def test_rows_that_a_nan_has_been_in_are_not_given_out_again(checkpoint):
    """A window's last tile would show them to others."""
    device = FakeDevice()
    session = DeviceSession(device, compile_model(checkpoint, preset("sim-2x2"), 24, rows=96))
    spoiled, other = session.add(), session.add()
    session.step({spoiled: [1], other: [2]})
    device.errors = Flag.NONFINITE
    with pytest.raises(NonfiniteError):
        session.step({spoiled: [3]})
    device.errors = 0
    session.remove(spoiled)
    session.remove(other)
    assert session._sequences[session.add()].start == 32 and session._sequences[session.add()].start == 64
    with pytest.raises(MemoryFullError):
        session.add()


def test_errors_of_the_nodes_are_told_as_before(image):
    device = FakeDevice()
    device.errors = 1
    with pytest.raises(SessionError, match=r"^the chip reports errors 0x01 \(bit 0: infinity or NaN"):
        DeviceSession(device, image).decode(1)
