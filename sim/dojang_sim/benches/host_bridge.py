"""cocotb bench of `HostBridge` in the configuration `CONFIG`: every answer is compared with `BridgeModel`'s.

Environment: ``HOST_STALL`` (probability of a pause on every stream, each cycle), ``HOST_SEED``.
"""

import os
import random
import struct

import cocotb
from dojang_hdl.config import ChipConfig
from dojang_hdl.host.identity import fingerprint

from dojang_sim.bridge_model import BridgeModel, frame

from .host_agents import Environment

CONFIG = ChipConfig("bench", width=2, height=2, contexts=18, channel_mib=1)
BYTE_TIMEOUT = 150
WAIT_CYCLES = 400
STALL = float(os.environ.get("HOST_STALL", "0.3"))
SEED = int(os.environ.get("HOST_SEED", "1"))

IDENTIFY, WRITE, READ, RUN, WAIT, MAILBOX, COUNTERS, RESET, CHECK = range(1, 10)
RUN_BITS, FIRST, GO = 69, 1 << 69, 1 << 74
CONTEXT_BITS = 90
CANDIDATES, NODE_COUNTERS, DONE = range(3)
ANSWER_CYCLES = 300_000
SILENCE = 900  # longer than any request takes
LAST_WORD = 65_535
CLOCK_HZ = 75_000_000
FIFO_BYTES = 2048


def args(address=0, channel=0, count=0):
    return struct.pack("<IB", address, channel) + count.to_bytes(3, "little")


def run_payload(word, first=0, contexts=(), go=True):
    """Of RUN, ``word`` being the fields of a RUN flit."""
    return b"".join(each.to_bytes(16, "little") for each in (word + first * FIRST + go * GO, *contexts))


class Bench:
    """A host that knows what the bridge must answer."""

    def __init__(self, dut, seed):
        self.model = BridgeModel(CONFIG.width, CONFIG.height, CONFIG.lanes, CONFIG.contexts, CONFIG.top_k,
                                 CONFIG.channel_mib, fingerprint=fingerprint(CONFIG), clock_hz=CLOCK_HZ)
        self.env = Environment(dut, CONFIG.channels, CONFIG.nodes, seed, STALL, self.model.message)
        self.rng = random.Random(seed)
        self.sequence = 0

    async def start(self):
        await self.env.reset()
        self.model.registers = self.env.registers.values

    def encode(self, kind, payload=b""):
        self.sequence = (self.sequence + 1) % 256
        return frame(kind, self.sequence, payload)

    async def exchange(self, data, expected):
        """Send ``data``; the bridge must answer ``expected`` and nothing else."""
        start = len(self.env.received)
        self.env.rx.queue.extend(data)
        await self.env.until(lambda: len(self.env.received) >= start + len(expected) and not self.env.rx.queue,
                             ANSWER_CYCLES, "answer")
        assert bytes(self.env.received[start:]) == expected

    async def request(self, kind, payload=b""):
        """One intact request, compared with the model's answer; the answer's payload behind the status."""
        data = self.encode(kind, payload)
        expected = self.model.feed(data)
        await self.exchange(data, expected)
        return expected[6:-4]

    async def answer(self, kind, payload=b""):
        """The answer's payload behind the status, of a request that the model may answer otherwise."""
        start = len(self.env.received)
        self.env.rx.queue.extend(self.encode(kind, payload))
        await self.env.until(lambda: len(self.env.received) > start, ANSWER_CYCLES, "answer")
        await self.env.quiet(100)
        return bytes(self.env.received[start + 6:-4])

    async def wait(self):
        """WAIT, whose answer the model knows when it has come."""
        start = len(self.env.received)
        data = self.encode(WAIT)
        self.env.rx.queue.extend(data)
        await self.env.until(lambda: len(self.env.received) == start + 26, ANSWER_CYCLES, "answer")
        if self.env.runs:
            self.model.cycles = self.env.runs[-1]
        answer, expected = bytes(self.env.received[start:]), self.model.feed(data)
        if self.model.running:
            # Only the bridge knows at which cycle it looked.
            assert answer[:14] == expected[:14]
            assert WAIT_CYCLES <= struct.unpack("<Q", answer[14:22])[0] <= self.env.cycle
        else:
            assert answer == expected
        return struct.unpack("<BBHIQ", answer[6:22])

    def check_memory(self):
        for number, memory in enumerate(self.env.memory):
            assert memory.idle
            assert memory.words == {address: int.from_bytes(data, "little")
                                    for (channel, address), data in self.model.memory.items() if channel == number}

    def random_transfer(self):
        count = self.rng.choice((1, 2, 15, self.rng.randint(1, 15)))
        place = args(self.rng.choice((0, 16, LAST_WORD + 1 - count)), self.rng.randrange(CONFIG.channels), count)
        return (WRITE, place + self.rng.randbytes(16 * count)) if self.rng.random() < 0.5 else (READ, place)

    def send_messages(self, messages):
        for x, y, kind, payload in messages:
            self.env.messages.queue.append(x | y << 4 | kind << 8 | payload << 16)

    def send_done(self, errors):
        self.send_messages([(node % 2, node // 2, DONE, bits) for node, bits in enumerate(errors)])


@cocotb.test()
async def requests(dut):
    """Identity, memory at its borders, registers, and every refusal."""
    bench = Bench(dut, SEED)
    await bench.start()
    assert (await bench.request(IDENTIFY))[:4] == b"DJNG"
    for _ in range(12):
        await bench.request(*bench.random_transfer())
    for first, count in ((0, 0), (3, 5), (200, 56), (456, 56)):
        await bench.request(COUNTERS, args(first, 0, count))
    dut.windows.value = 0b10
    bench.model.windows = {1}
    for address in (1 << 30, 1 << 31, (1 << 32) - 1):
        await bench.request(WRITE, args(address, 1, 1) + bench.rng.randbytes(16))
        await bench.request(READ, args(address, 1, 1))
    refused = [
        (0, b""), (10, b""), (0x81, b"x"), (WRITE, args(0, 0, 0)), (WRITE, args(0, 2, 1) + bytes(16)),
        (WRITE, args(LAST_WORD, 0, 2) + bytes(32)), (WRITE, args(0, 0, 2) + bytes(16)), (WRITE, b""),
        (WRITE, args(0, 0, 1) + bytes(15)), (WRITE, args(0xFFFFFFFF, 0, 1) + bytes(16)), (READ, args(0, 0, 16)),
        (READ, args(1 << 30, 0, 1)), (READ, args((1 << 30) - 1, 1, 1)),
        (READ, args(0, 0, 0)), (READ, args(0, 0, 257)), (READ, args(0, 0, 1 << 16)), (WRITE, args(0, 0, 256)),
        (CHECK, args(0, 0, 0)), (CHECK, args(0, 0, LAST_WORD + 2)), (CHECK, args(0, 2, 1)),
        (CHECK, args(0, 0, 1) + b"x"),
        (COUNTERS, args(0, 0, 1 << 16)), (MAILBOX, args(0, 0, 1 << 23)),
        (READ, args(LAST_WORD, 1, 2)), (READ, args(0, 255, 1)), (READ, args(0, 0, 1) + b"x"),
        (RUN, b""), (RUN, bytes(8)), (RUN, bytes(31)), (RUN, bytes(33)), (RUN, bytes(248)),
        (RUN, run_payload(0, CONFIG.contexts - 1, (0, 0))), (RUN, run_payload(0, CONFIG.contexts, (0,), go=False)),
        (RUN, run_payload(0, 31, (0,))), (RUN, run_payload(0, 5, (0,) * 14)),
        (WAIT, b"x"), (RESET, b"x"), (IDENTIFY, bytes(248)), (MAILBOX, args(0, 0, 1)),
        (COUNTERS, args(0, 0, 57)), (COUNTERS, args(506, 0, 7)), (MAILBOX, b"x")]
    for kind, payload in refused:
        answer = bench.model.counts["rejected"]
        await bench.request(kind, payload)
        assert bench.model.counts["rejected"] == answer + 1, (kind, payload)
    await bench.request(COUNTERS, args())
    await bench.request(READ, args(0, 0, 1))
    bench.check_memory()
    assert not bench.env.flits and not bench.env.clears
    bench.env.stop()


@cocotb.test()
async def checks(dut):
    """CHECK over ranges around the length of a burst, at both ends of both channels, and how long it takes."""
    bench = Bench(dut, SEED + 5)
    await bench.start()
    await bench.request(IDENTIFY)
    for channel in range(CONFIG.channels):
        for address in (0, LAST_WORD + 1 - 45):
            for at in range(0, 45, 15):
                await bench.request(WRITE, args(address + at, channel, 15) + bench.rng.randbytes(240))
    for address, channel, count in ((0, 0, 1), (0, 0, 15), (0, 1, 16), (1, 0, 17), (0, 1, 45), (7, 0, 32),
                                    (LAST_WORD, 1, 1), (LAST_WORD + 1 - 45, 0, 45)):
        await bench.request(CHECK, args(address, channel, count))
    await bench.request(READ, args(0, 0, 1))
    before, count = bench.env.cycle, 320
    await bench.request(CHECK, args(0, 0, count))
    assert bench.env.memory[0].longest == 16
    assert STALL or bench.env.cycle - before < 23 * count + 200
    bench.env.stop()


@cocotb.test()
async def requests_in_flight(dut):
    """Requests sent without waiting for answers, as many as the FIFO holds; one more byte is lost and counted."""
    bench = Bench(dut, SEED + 6)
    await bench.start()
    await bench.request(IDENTIFY)
    data = [bench.encode(WRITE, args(15 * i, i % 2, 15) + bench.rng.randbytes(240)) for i in range(FIFO_BYTES // 257)]
    await bench.exchange(b"".join(data), b"".join(bench.model.feed(frame) for frame in data))
    bench.check_memory()
    room = []
    busy, quick = bench.encode(CHECK, args(0, 0, 500)), bench.encode(IDENTIFY)
    quick += bytes(FIFO_BYTES - len(quick))  # what follows a frame is skipped
    start = len(bench.env.received)
    expected = bench.model.feed(busy) + bench.model.feed(quick)
    bench.env.rx.queue.extend(busy)
    await bench.env.quiet(100)
    assert int(dut.room.value) == 1
    for at in range(0, FIFO_BYTES, 128):
        bench.env.rx.queue.extend(quick[at:at + 128])
        await bench.env.until(lambda: not bench.env.rx.queue, 10_000, "byte taken")
        for _ in range(4):
            await bench.env.step()
        room.append(int(dut.room.value))
    assert room == [1] * 13 + [0] * 3
    bench.env.rx.queue.extend(b"\0\0\0")  # one more fits the output register
    await bench.env.until(lambda: len(bench.env.received) == start + len(expected), 200_000, "answers")
    assert bytes(bench.env.received[start:]) == expected
    await bench.env.quiet(3000)
    assert int(dut.room.value) == 1
    counts = struct.unpack("<8H", (await bench.answer(COUNTERS, args()))[:16])
    assert counts[3] == 2
    assert counts[2] == bench.model.counts["skipped"] + 1
    bench.env.stop()


@cocotb.test()
async def runs(dut):
    """RUN, WAIT, BUSY, mailbox and its overflow, RESET."""
    bench = Bench(dut, SEED + 1)
    await bench.start()
    await bench.request(IDENTIFY)
    for run in range(2):
        word = bench.rng.getrandbits(RUN_BITS)
        told = {number: bench.rng.getrandbits(CONTEXT_BITS) for number in range(CONFIG.contexts)[:None if run else 14]}
        bench.env.flits.clear()
        if run:   # what the mailbox has stays until the run that the last one starts
            for first, last in ((0, 14), (14, 14), (14, 17)):
                part = [told[number] for number in range(first, last)]
                await bench.request(RUN, run_payload(bench.rng.getrandbits(RUN_BITS), first, part, go=False))
                await bench.request(MAILBOX, args(0, 0, 1))
            payload = run_payload(word, 17, [told[17]])
        else:
            payload = run_payload(word, 0, told.values())
        assert len(bench.env.clears) == run
        await bench.request(RUN, payload)
        assert bench.env.flits == [*(("CONTEXT", "ALL", *each) for each in told.items()), ("RUN", "ALL", 0, word)]
        assert len(bench.env.clears) == run + 1
        assert (await bench.wait())[0] == 1
        for refused in (payload, run_payload(0, 0, (0,), go=False), run_payload(0, 31, (0, 0)), bytes(17)):
            await bench.request(RUN, refused)
        await bench.request(MAILBOX, args(0, 0, 1))
        count = bench.model.mailbox_depth + 3 if run else 40
        kinds = (CANDIDATES, NODE_COUNTERS)
        bench.send_messages([(bench.rng.randrange(2), bench.rng.randrange(2), bench.rng.choice(kinds),
                              bench.rng.getrandbits(128)) for _ in range(count)])
        await bench.env.until(lambda: not bench.env.messages.queue, 10_000, "room in the mailbox")
        bench.send_done((1, 0, 0x80000000))
        assert (await bench.wait())[:2] == (1 | run << 1, 3)
        bench.send_done((1 << 5,))
        flags, nodes, stored, errors, _ = await bench.wait()
        assert (flags, nodes, stored, errors) == (run << 1, 4, min(count, bench.model.mailbox_depth), 0x80000021)
        for index in range(0, stored, 13):
            await bench.request(MAILBOX, args(index, 0, min(13, stored - index)))
        await bench.request(MAILBOX, args(stored, 0, 1))
        await bench.request(COUNTERS, args())
    bench.send_done((0xFFFF,))
    await bench.env.quiet(20)
    await bench.wait()
    await bench.request(RUN, run_payload(3, 31))    # no context, so none that the chip does not have
    await bench.request(RESET)
    assert len(bench.env.resets) == 16 == bench.env.resets[-1] - bench.env.resets[0] + 1
    assert (await bench.wait())[:3] == (0, 0, 0)
    bench.env.stop()


def damage(data, rng):
    """A frame as a bad line delivers it: bits flipped, bytes lost, cut short, doubled, or amid garbage."""
    data, at = bytearray(data), rng.randrange(len(data))
    fault = rng.randrange(6)
    if fault == 0:
        data[at] ^= 1 << rng.randrange(8)
    elif fault == 1:
        del data[at]
    elif fault == 2:
        del data[at:]
    elif fault == 3:
        data.insert(at, rng.randrange(256))
    elif fault == 4:
        data[:0] = rng.choice((b"\xd0", b"\xd0\xd0", b"\xd0\x6a\x02", rng.randbytes(20)))
    else:
        data += rng.choice((b"\xd0", b"\x6a", rng.randbytes(9)))
    return bytes(data)


@cocotb.test()
async def faults(dut):
    """Damaged frames in both directions, repeated requests: each is executed once, and nothing else is."""
    bench = Bench(dut, SEED + 2)
    env, model, rng = bench.env, bench.model, bench.rng
    await bench.start()
    await bench.request(IDENTIFY)
    sent_again = 0
    for _ in range(30):
        data = bench.encode(*bench.random_transfer())
        expected = model.feed(data)
        answer_lost = rng.random() < 0.3
        for attempt in range(10):
            start = len(env.received)
            env.rx.queue.extend(damage(data, rng) if rng.random() < 0.7 and attempt < 9 else data)
            await env.quiet(SILENCE, lambda start=start, answer=expected: env.received.endswith(answer, start))
            if expected in bytes(env.received[start:]):
                if not answer_lost:
                    break
                answer_lost = False
                sent_again += 1
        else:
            raise AssertionError("no answer to an intact frame")
    await env.quiet(SILENCE)
    bench.check_memory()
    operations = [0, 0]
    for kind, payload in model.executed:
        if kind in (WRITE, READ):
            operations[kind - WRITE] += payload[5]
    log = [entry for memory in env.memory for entry in memory.log]
    assert [sum(write for write, _, _ in log), sum(not write for write, _, _ in log)] == operations

    naks = bytes(env.received).count(frame(0xFE, 0))
    start = len(env.received)
    env.rx.queue.extend(bench.encode(COUNTERS, args()))
    await env.quiet(200)
    corrupt, truncated, skipped, _, resent, *_ = struct.unpack("<8H", bytes(env.received[start + 6:start + 22]))
    assert corrupt + truncated == naks
    assert corrupt > 2 and truncated > 2 and skipped > 2
    assert resent >= sent_again > 2
    env.stop()


@cocotb.test()
async def framing_counters(dut):
    """Each kind of damage alone: the answer, and the one counter it belongs to."""
    bench = Bench(dut, SEED + 3)
    await bench.start()
    good = bench.encode(READ, args(7, 1, 2))
    await bench.exchange(good, bench.model.feed(good))
    await bench.exchange(good, bench.model.feed(good))
    assert bench.model.counts["resent"] == 1
    for data in (good[:-1] + bytes((good[-1] ^ 1,)), b"\xd0\x6a\x01\x05\xf9", b"\x00\x6a\xd0\xd0\xd0\x00" + good):
        await bench.exchange(data, bench.model.feed(data))
    for cut in (1, 2, 3, 4, 5, 9, len(good) - 1):
        assert bench.model.feed(good[:cut]) == b""
        await bench.exchange(good[:cut], bench.model.expire())
        await bench.env.quiet(2 * BYTE_TIMEOUT)
    counts = struct.unpack("<8H", (await bench.request(COUNTERS, args()))[:16])
    assert counts == (2, 6, 6, 0, 2, 0, 0, 0)
    bench.env.stop()


@cocotb.test()
async def impatient_host(dut):
    """A copy that arrives during execution waits, and is answered from the buffer: it is executed once."""
    bench = Bench(dut, SEED + 4)
    await bench.start()
    data = bench.encode(READ, args(0, 0, 15))
    expected = bench.model.feed(data)
    await bench.exchange(data + data + data, expected + bench.model.feed(data) + bench.model.feed(data))
    assert len(bench.env.memory[0].log) == 15
    counts = struct.unpack("<8H", (await bench.request(COUNTERS, args()))[:16])
    assert counts == (0, 0, 0, 0, 2, 0, 0, 0)
    bench.env.stop()
