"""Each of these broken bridges must be caught by the short session that the real one passes."""

import struct

import pytest
from amaranth.lib import wiring
from amaranth.sim import Simulator
from dojang_hdl.config import ChipConfig
from dojang_hdl.host.bridge import HostBridge
from dojang_hdl.host.identity import fingerprint
from dojang_sim.benches.mutation import mutate
from dojang_sim.bridge_model import BridgeModel, frame

CONFIG = ChipConfig("bench", width=1, height=2, channel_mib=1)
BYTE_TIMEOUT, WAIT_CYCLES = 30, 40
IDENTIFY, WRITE, READ, RUN, WAIT, MAILBOX, COUNTERS, RESET, CHECK = range(1, 10)
CLOCK_HZ = 0x12345678

MUTATIONS = {
    "CRC not checked": ("receiver", "frame.bad.eq(~crc.match_detected)", "frame.bad.eq(0)"),
    "CRC never right": ("receiver", "frame.bad.eq(~crc.match_detected)", "frame.bad.eq(1)"),
    "CRC goes on from the last frame": ("receiver", "m.d.comb += [begun.eq(1), crc.start.eq(1)]",
                                        "m.d.comb += begun.eq(1)"),
    "no byte time-out": ("receiver", "expired.eq(begun & ~self.rx.valid & (idle_for == self._byte_timeout - 1))",
                         "expired.eq(0)"),
    "second sync byte not checked": ("receiver", "with m.If(self.rx.payload == protocol.SYNC[1]):", "with m.If(1):"),
    "doubled first sync byte": ("receiver", "with m.If(self.rx.payload != protocol.SYNC[0]):", "with m.If(1):"),
    "illegal length taken": ("receiver", "with m.If(self.rx.payload > protocol.MAX_PAYLOAD):", "with m.If(0):"),
    "payload shifted": ("receiver", "m.d.sync += write.addr.eq(0)", "m.d.sync += write.addr.eq(1)"),
    "executed twice": ("executor", "any_executed & (request.sequence == last.sequence)", "0"),
    "first sequence number taken as old": ("executor", "with m.Elif(any_executed & (", "with m.Elif(("),
    "identify from the buffer": ("executor", "& (request.type != Request.IDENTIFY)", ""),
    "damaged frame executed": ("executor", "with m.If(request.bad):", "with m.If(0):"),
    "NAK spoils the stored response": ("executor", 'm.d.comb += [self.response.valid.eq(1), self.response.p.eq(',
                                       'm.d.sync += last.length.eq(1)\n                m.d.comb += '
                                       '[self.response.valid.eq(1), self.response.p.eq('),
    "always channel 0": ("executor", "Cat(args.channel == number for", "Cat(number == 0 for"),
    "same word again": ("executor", "args.address.eq(args.address + 1), ", ""),
    "end not checked": ("executor", "(at_most(self._config.channel_words)", "(end != 0"),
    "a word beyond the end": ("executor", " & ~(end[bit] & end[:bit].any())", ""),
    "last word refused": ("executor", "(end[bit] & end[:bit].any())", "end[bit]"),
    "upper bits of the end ignored": ("executor", "~end[bit + 1:].any() & ", ""),
    "upper bits of a message's number ignored": ("executor", "~end[len(self.messages):].any() & ", ""),
    "window of a plain memory": ("executor", " & (self.windows & selected).any()", ""),
    "windows closed": ("executor", "(self.windows & selected).any()", "0"),
    "unverified writes ignored": ("executor", "unfinished.eq(self.running | self.settling)",
                                  "unfinished.eq(self.running)"),
    "memory error ignored": ("bridge", " | Mux(memory_error, Flag.MEMORY, 0)", ""),
    "always the same register": ("executor", "self.csr_addr.eq(args.address)", "self.csr_addr.eq(9)"),
    "always the same message": ("executor", "self.index.eq(args.address)", "self.index.eq(0)"),
    "run while running": ("executor", "with m.Elif(self.running):", "with m.Elif(0):"),
    "wait answered at once": ("executor", "with m.If(~unfinished | (timer == self._wait_cycles - 1)):",
                              "with m.If(1):"),
    "mailbox not emptied": ("executor", 'm.d.comb += self.clear.eq(1)\n                        m.next = "START"',
                            'm.next = "START"'),
    "mailbox emptied without go": ("executor", 'finish(Status.OK)\n                    with m.If(kind',
                                   'finish(Status.OK)\n                    '
                                   'm.d.comb += self.clear.eq(kind[Request.RUN])\n                    with m.If(kind'),
    "write data given up early": ("executor", "m.If(~command & ~write)", "m.If(~command)"),
    "status always 0": ("executor", "self.response_data.eq(status)", "self.response_data.eq(0)"),
    "few words of a check at a time": ("executor", "args.count[4:].any(), BURST", "args.count[4:].any(), 1"),
    "burst too long": ("executor", "kind[Request.CHECK], args.count[:4], 1", "kind[Request.CHECK], BURST, 1"),
    "command for each word of a check": ("executor", "with m.If(burst == 0):", "with m.If(1):"),
    "sum of all checks": ("executor", "[fetcher.clear.eq(1), crc.start.eq(1)]", "[fetcher.clear.eq(1)]"),
    "sum over the answer": ("executor", "m.d.sync += to_crc.eq(0)\n                    with", "with"),
    "checked words answered": ("executor", "picker.valid & ~to_crc", "picker.valid"),
    "count of eight bits": ("executor", "end.eq(args.address + args.count)", "end.eq(args.address + args.count[:8])"),
    "read of many words": ("executor", "kind[Request.READ] & few", "kind[Request.READ]"),
    "half a word fetched": ("words", "WORD_BYTES - 1))", "WORD_BYTES // 2 - 1))"),
    "payload read from its beginning": ("words", "self.addr.eq(self.addr + 1)", "self.addr.eq(0)"),
    "byte too many": ("words", "at[size - 1] for", "at[min(size, len(at) - 1)] for"),
    "bytes of the value before": ("words", "going.eq(1), chosen.eq(start)", "going.eq(1), chosen.eq(chosen | start)"),
    "register asked too late": ("executor", 'm.next = "PAUSE"', 'm.next = "LOOP"'),
    "clock not told": ("executor", "identity(self._config, self._clock_hz)", "identity(self._config, 0)"),
    "no fifo": ("bridge", "connect(m, fifo.o, receiver.rx)",
                "m.d.comb += [receiver.rx.valid.eq(self.rx.valid), receiver.rx.payload.eq(self.rx.payload), "
                "fifo.o.ready.eq(1)]"),
    "byte lost at a frame's end": ("receiver", "self.corrupt.eq(~crc.match_detected), self.rx.ready.eq(0)",
                                   "self.corrupt.eq(~crc.match_detected)"),
    "bytes lost while a request waits": ("receiver", "self.frame.valid.eq(1), self.rx.ready.eq(0)",
                                         "self.frame.valid.eq(1)"),
    "DONE stored": ("mailbox", "wanted.eq(self.messages.valid & (message.type != HostType.DONE))",
                    "wanted.eq(self.messages.valid)"),
    "x and y exchanged": ("mailbox", "write.data.x.eq(message.x), write.data.y.eq(message.y)",
                          "write.data.x.eq(message.y), write.data.y.eq(message.x)"),
    "first DONE ends the run": ("run_control", "with m.If(self.nodes_done == self._nodes - 1):", "with m.If(1):"),
    "last errors only": ("run_control", "self.errors | self.message", "self.message"),
    "unicast": ("run_control", "flit.mode.eq(Mode.ALL)", "flit.mode.eq(Mode.UNICAST)"),
    "counters not cleared": ("run_control", "self.count_clear.eq(1)", "self.count_clear.eq(0)"),
    "counters cleared by a context": ("run_control", "with m.If(order.run):", "with m.If(1):"),
    "every flit starts a run": ("run_control", "self.running.eq(order.run)", "self.running.eq(1)"),
    "every flit a context": ("run_control", "Mux(order.run, DataKind.RUN, DataKind.CONTEXT)", "DataKind.CONTEXT"),
    "contexts without number": ("run_control", "flit.addr.eq(order.context)", "flit.addr.eq(0)"),
    "contexts from 0 on": ("executor", "args.address.eq(words.first)", "args.address.eq(0)"),
    "a context left out": ("executor", "eq(request.length[4:] - 1)", "eq(request.length[4:] - 2)"),
    "contexts not checked": ("executor", "(args.count == 0) | at_most(self._config.contexts)", "1"),
    "no contexts refused": ("executor", "(args.count == 0) | at_most(self._config.contexts)",
                            "at_most(self._config.contexts)"),
    "always go": ("executor", "kind[Request.RUN] & run.go", "kind[Request.RUN]"),
    "never go": ("executor", "kind[Request.RUN] & run.go", "0"),
    "go in the flit": ("executor", "run.as_value()[:RunLayout.size]", "run"),
    "run of no word": ("executor", " & (request.length[4:] != 0)", ""),
    "run of half a word": ("executor", "kind[Request.RUN] & (request.length[:4] == 0)", "kind[Request.RUN]"),
    "cycles of all runs": ("run_control", "self.errors.eq(0), self.cycles.eq(0)", "self.errors.eq(0)"),
    "reset leaves it running": ("run_control", "with m.If(self.abort):", "with m.If(0):"),
    "byte changed during a stall": ("sender", "step.eq(~self.tx.valid | self.tx.ready)", "step.eq(1)"),
    "payload late": ("sender", "self.addr.eq(index + 1)", "self.addr.eq(index)"),
    "CRC of the first frame only": ("sender", "[self.frame.ready.eq(1), crc.start.eq(1)]", "self.frame.ready.eq(1)"),
    "bad CRC not shown": ("bridge", "receiver.corrupt | receiver.truncated)]", "receiver.truncated)]"),
    "time-out not shown": ("bridge", "receiver.corrupt | receiver.truncated)]", "receiver.corrupt)]"),
    "intact frames shown": ("bridge", "receiver.corrupt | receiver.truncated)]", "receiver.frame.valid)]"),
    "events not counted": ("counters", "counter.eq(counter + 1)", "counter.eq(counter)"),
}


def mutant(module: str, old: str, new: str):
    """HostBridge with ``old`` replaced by ``new`` in the source of one of its parts."""
    users = ["executor"] * (module == "words") + ["bridge"] * (module != "bridge")
    bridge = mutate(f"dojang_hdl.host.{module}", old, new, [f"dojang_hdl.host.{user}" for user in users])
    return bridge.HostBridge(CONFIG, BYTE_TIMEOUT, WAIT_CYCLES, CLOCK_HZ)


class Session:
    """A host, memories that answer slowly and registers, around ``dut`` in Amaranth's simulator."""

    def __init__(self, ctx, dut):
        self.ctx, self.dut = ctx, dut
        registers = [(7 * i + 1) * 0x01010101 & 0xFFFFFFFF for i in range(512)]
        self.model = BridgeModel(CONFIG.width, CONFIG.height, CONFIG.lanes, CONFIG.contexts, CONFIG.top_k,
                                 CONFIG.channel_mib, registers=registers, fingerprint=fingerprint(CONFIG),
                                 clock_hz=CLOCK_HZ)
        self.received = bytearray()
        self.flits, self.log = [], []
        self.words = {}
        self._asked = []  # channel and address of the words that are to be read
        self.cycle = self.clears = self.bad_frames = self.sequence = 0
        self._addresses = [0, 0]

    async def tick(self, byte=None, message=None):
        ctx, dut = self.ctx, self.dut
        ctx.set(dut.rx.valid, byte is not None)
        ctx.set(dut.rx.payload, byte or 0)
        ctx.set(dut.messages.valid, message is not None)
        if message is not None:
            ctx.set(dut.messages.payload.as_value(), message)
        ctx.set(dut.tx.ready, self.cycle % 3 > 0)
        ctx.set(dut.csr_data, self.model.registers[self._addresses.pop(0)])
        self._addresses.append(ctx.get(dut.csr_addr))
        for channel, port in enumerate(dut.memory):
            self._memory(channel, port)
        ctx.set(dut.control.ready, self.cycle % 2)
        if self.cycle % 3 and ctx.get(dut.tx.valid):
            self.received.append(ctx.get(dut.tx.payload))
        if self.cycle % 2 and ctx.get(dut.control.valid):
            flit = ctx.get(dut.control.payload)
            self.flits.append((flit.kind.name, flit.mode, flit.addr, flit.payload))
        self.clears += ctx.get(dut.count_clear)
        self.bad_frames += ctx.get(dut.bad_frame)
        await ctx.tick()
        self.cycle += 1
        assert self.cycle < 12_000, "watchdog: the session did not end within 12,000 cycles"

    def _memory(self, channel, port):
        """Commands in one cycle of four, words to write in one of 16: neither is ready when it is first offered."""
        ctx, phase = self.ctx, self.cycle % 4
        taken = self.cycle % 16 == 2
        ctx.set(port.command.ready, phase == 1)
        ctx.set(port.write.ready, taken)
        ctx.set(port.read.valid, 0)
        if phase == 1 and ctx.get(port.command.valid):
            command = ctx.get(port.command.payload)
            self.log.append((command.write, channel, command.addr, *[command.length] * (command.length > 1)))
            if not command.write:
                self._asked += [(channel, command.addr + word) for word in range(command.length)]
        if taken and ctx.get(port.write.valid):
            assert self.log[-1][:2] == (1, channel) and len(self.log[-1]) == 3
            self.words[self.log[-1][1:]] = ctx.get(port.write.payload).data.to_bytes(16, "little")
        if phase == 3 and self._asked and self._asked[0][0] == channel and ctx.get(port.read.ready):
            ctx.set(port.read.payload, int.from_bytes(self.words.get(self._asked.pop(0), bytes(16)), "little"))
            ctx.set(port.read.valid, 1)

    async def exchange(self, data, expected):
        """``expected`` must come and nothing else; a bridge that is silent or too slow is caught here."""
        self.received.clear()
        for byte in data:
            await self.tick(byte)
        for _ in range(4 * len(expected) + 800):
            if len(self.received) >= len(expected):
                break
            await self.tick()
        for _ in range(4):
            await self.tick()
        assert bytes(self.received) == expected

    async def request(self, kind, payload=b""):
        self.sequence += 1
        data = frame(kind, self.sequence, payload)
        await self.exchange(data, self.model.feed(data))
        return data

    async def message(self, x, y, kind, payload):
        await self.tick(message=x | y << 4 | kind << 8 | payload << 16)
        self.model.message(x, y, kind, payload.to_bytes(16, "little"))


def args(address=0, channel=0, count=0):
    return struct.pack("<IB", address, channel) + count.to_bytes(3, "little")


async def framing(session):
    session.sequence = -1
    await session.request(READ, args(0, 0, 1))
    session.sequence -= 1
    await session.request(IDENTIFY)
    await session.request(WRITE, args(3, 1, 2) + bytes(range(100, 132)))
    good = await session.request(READ, args(3, 1, 2))
    log = list(session.log)
    await session.exchange(good, session.model.feed(good))
    for damaged in (good[:-1] + b"\x00", b"\xd0\x6a\x02\x09\xf9", b"\xd0\xd0\x6a\x02\x77\x00abcd"):
        await session.exchange(damaged, session.model.feed(damaged))
    assert session.model.feed(good[:6]) == b""
    await session.exchange(good[:6], session.model.expire())
    garbage = b"\x01\xd0\x02\x05\x00" + good
    await session.exchange(garbage, session.model.feed(garbage))
    assert session.log == log == [(0, 0, 0), (1, 1, 3), (1, 1, 4), (0, 1, 3), (0, 1, 4)]
    assert session.words == {(1, 3): bytes(range(100, 116)), (1, 4): bytes(range(116, 132))}


async def checks(session):
    """Two sums; then two requests at once, of which the second comes while the first is executed."""
    await session.request(WRITE, args(5, 1, 5) + bytes(range(80)))
    log = len(session.log)
    for address, count in ((3, 1), (1, 19)):
        await session.request(CHECK, args(address, 1, count))
    assert session.log[log:] == [(0, 1, 3), (0, 1, 1, 16), (0, 1, 17, 3)]
    for refused in ((READ, args(0, 0, 16)), (CHECK, args(60_000, 0, 1 << 16)), (WRITE, args(0, 0, 256))):
        await session.request(*refused)
    data = frame(READ, 100, args(3, 1, 2)) + frame(READ, 101, args(4, 1, 1))
    session.sequence = 101
    await session.exchange(data, session.model.feed(data))


def run_payload(word, first, contexts, go):
    return b"".join(each.to_bytes(16, "little") for each in (word | first << 69 | go << 74, *contexts))


async def tell(session):
    """Contexts that no run follows yet, and those that there are not."""
    await session.request(RUN, run_payload(9, 2, (0x77, 0x88), False))
    assert session.flits == [("CONTEXT", 3, 2, 0x77), ("CONTEXT", 3, 3, 0x88)]
    for refused in (run_payload(9, 3, (1, 2), True), run_payload(9, 31, (1,), False), b"", bytes(24)):
        await session.request(RUN, refused)
    assert len(session.flits) == 2 and session.clears == 0


async def run(session, token, errors, cycles):
    """One run of which the second DONE comes ``cycles`` after the RUN flit, at least."""
    count = len(session.flits)
    await session.request(RUN, run_payload(5, 1, (token, token + 1), True))
    assert session.flits[count:] == [("CONTEXT", 3, 1, token), ("CONTEXT", 3, 2, token + 1), ("RUN", 3, 0, 5)]
    await session.message(0, 1, 0, 0x0102030405060708090A0B0C0D0E0F10)
    await session.message(0, 0, 1, token)
    await session.message(0, 0, 2, errors[0])
    session.sequence += 1
    data = frame(WAIT, session.sequence)
    started = session.cycle
    session.received.clear()
    for byte in data:
        await session.tick(byte)
    asked = session.cycle
    while not session.received:
        await session.tick()
        assert session.cycle < started + 300
    assert session.cycle - asked > WAIT_CYCLES
    while len(session.received) < 26:
        await session.tick()
    assert bytes(session.received[:14]) == session.model.feed(data)[:14]
    for refused in (run_payload(0, 0, (0,), True), run_payload(0, 31, (0, 0), False)):
        await session.request(RUN, refused)
    for _ in range(cycles):
        await session.tick()
    await session.message(0, 1, 2, errors[1])
    session.received.clear()
    session.sequence += 1
    data = frame(WAIT, session.sequence)
    for byte in data:
        await session.tick(byte)
    while len(session.received) < 26:
        await session.tick()
        assert session.cycle < started + 900
    session.model.cycles, = struct.unpack("<Q", session.received[14:22])
    assert cycles < session.model.cycles < session.cycle - started + 60
    assert bytes(session.received) == session.model.feed(data)
    await session.request(MAILBOX, args(0, 0, 1))
    await session.request(MAILBOX, args(0, 0, 2))
    await session.request(RUN, run_payload(0, 0, (1,), False))
    await session.request(MAILBOX, args(0, 0, 2))
    await session.request(MAILBOX, args(0, 0, 3))
    await session.request(MAILBOX, args(1 << 16, 0, 1))


async def memory_state(session):
    """One channel is guarded, has writes to verify, and an error."""
    session.ctx.set(session.dut.windows, 0b10)
    session.model.windows = {1}
    for channel in range(2):
        await session.request(READ, args(1 << 31, channel, 1))
    session.ctx.set(session.dut.memory_error, 1)
    session.model.errors |= 1 << 8
    await session.request(WAIT)
    session.ctx.set(session.dut.memory_busy, 1)
    session.sequence += 1
    asked = session.cycle
    session.received.clear()
    for byte in frame(WAIT, session.sequence):
        await session.tick(byte)
    while len(session.received) < 26:
        await session.tick()
        assert session.cycle < asked + WAIT_CYCLES + 200
    assert session.received[6] == 1
    session.ctx.set(session.dut.memory_busy, 0)
    session.ctx.set(session.dut.memory_error, 0)
    session.model.errors &= ~(1 << 8)


async def session(ctx, dut):
    host = Session(ctx, dut)
    await framing(host)
    await checks(host)
    for count in (1, 2):
        await host.request(READ, args(65_535, 0, count))
    await tell(host)
    await run(host, 0x11112222333344445555666677778888, (1, 4), 30)
    await run(host, 0x1234, (2, 0), 10)
    assert host.clears == 2
    assert host.bad_frames == host.model.counts["corrupt"] + host.model.counts["truncated"] == 4
    await memory_state(host)
    await host.request(RUN, run_payload(0, 9, (), True))
    await host.request(RESET)
    await host.request(RUN, run_payload(0, 0, (0,), True))
    await host.request(COUNTERS, args(9, 0, 2))


def check(dut):
    simulator = Simulator(dut)
    simulator.add_clock(1e-8)

    async def bench(ctx):
        await session(ctx, dut)

    simulator.add_testbench(bench)
    simulator.run()


def test_the_bridge_passes():
    check(HostBridge(CONFIG, BYTE_TIMEOUT, WAIT_CYCLES, CLOCK_HZ))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", MUTATIONS)
def test_mutation_applies(name):
    """To the bridge of today; whether it is caught takes seconds each."""
    assert isinstance(mutant(*MUTATIONS[name]), wiring.Component)


@pytest.mark.slow  # minutes for all
@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_bridge_is_caught(name):
    with pytest.raises(AssertionError):
        check(mutant(*MUTATIONS[name]))
