"""The adapter between the memory port and LiteDRAM's native port, against a model of that port."""

import random

import pytest
from amaranth.sim import Simulator
from dojang_fpga.memory import native
from dojang_fpga.memory.native import NativeAdapter
from dojang_hdl.config import WORD_BITS, WORD_BYTES
from dojang_hdl.memory_control import CONTROL_WINDOW
from dojang_sim.benches.mutation import mutate

ADDRESS_BITS = 8   # in words
STEPS = 30000      # two a cycle
EVERY = (1 << WORD_BYTES) - 1


class Controller:
    """Commands in order: a write's data is taken, and a read's data comes, some cycles later, whatever the other side
    says. Registers of the control port hold their address and what was written."""

    def __init__(self, dut, rng, data_bits, busy):
        self._dut, self._rng, self._bits, self._busy = dut, rng, data_bits, busy
        self.contents: dict[int, int] = {}
        self.registers: dict[int, int] = {}
        self.touched = 0     # registers written while commands were under way
        self.missing = 0     # words taken that were not there

    async def run(self, ctx):
        port, control = self._dut.native, self._dut.control
        queue, cycle, seen = [], 0, (0, 0)
        while True:
            due = bool(queue) and queue[0][2] <= cycle
            ctx.set(port.command.ready, self._rng.random() >= self._busy)
            ctx.set(port.write.ready, due and queue[0][0])
            ctx.set(port.read_valid, due and not queue[0][0])
            ctx.set(port.read, self.contents.get(queue[0][1], 0) if due else self._rng.getrandbits(self._bits))
            ctx.set(control.data, self.registers.get(seen[1], seen[1]))
            sample = (port.command.valid, port.command.ready, port.command.payload.write, port.command.payload.addr,
                      port.write.valid, port.write.payload.data, port.write.payload.mask, control.address,
                      control.write, control.write_data)
            _, _, valid, ready, write, addr, there, data, mask, register, strobe, value = (
                await ctx.tick().sample(*sample))
            if due:
                is_write, at, _ = queue.pop(0)
                if is_write:
                    self.missing += not there
                    keep = sum(0xFF << 8 * byte for byte in range(self._bits // 8) if not mask >> byte & 1)
                    self.contents[at] = self.contents.get(at, 0) & keep | data & ~keep
            if valid and ready:
                queue.append((write, addr, max(cycle + self._rng.randint(3, 12), queue[-1][2] + 1 if queue else 0)))
            if strobe:
                self.touched += bool(queue)
                self.registers[register] = value
            seen = (register, seen[0])
            cycle += 1


async def feed(ctx, stream, items, rng, stall):
    for item in items:
        while rng.random() < stall:
            await ctx.tick()
        ctx.set(stream.payload, item)
        ctx.set(stream.valid, 1)
        ready = False
        while not ready:   # `until` leaves an open generator behind in a simulation that never ends
            _, _, ready = await ctx.tick().sample(stream.ready)
        ctx.set(stream.valid, 0)


async def drain(ctx, stream, words, count, rng, stall, hold):
    for _ in range(hold):
        await ctx.tick()
    while len(words) < count:
        ctx.set(stream.ready, rng.random() >= stall)
        _, _, valid, ready, word = await ctx.tick().sample(stream.valid, stream.ready, stream.payload)
        if valid and ready:
            words.append(word)


def scenario(rng, count, controls):
    """Commands, write words, what has to be read, and what is in the memory at the end."""
    contents, registers, commands, writes, reads = {}, {}, [], [], []
    for _ in range(count):
        write = rng.random() < 0.5
        if controls and rng.random() < 0.2:
            base, length = rng.randrange(56), rng.randint(1, 4)
            for addr in range(base, base + length):
                if write:
                    registers[addr] = rng.getrandbits(32)
                    writes.append({"data": registers[addr], "mask": EVERY})
                else:
                    reads.append(registers.get(addr, addr))
            commands.append({"write": write, "addr": CONTROL_WINDOW + base, "length": length})
            continue
        base, length = rng.randrange(60), rng.choice((1, 2, 9, 40))
        for addr in range(base, base + length):
            if write:
                data, mask = rng.getrandbits(WORD_BITS), rng.choice((EVERY, rng.getrandbits(WORD_BYTES)))
                keep = sum(0xFF << 8 * byte for byte in range(WORD_BYTES) if not mask >> byte & 1)
                contents[addr] = contents.get(addr, 0) & keep | data & ~keep
                writes.append({"data": data, "mask": mask})
            else:
                reads.append(contents.get(addr, 0))
        commands.append({"write": write, "addr": base, "length": length})
    commands.append({"write": False, "addr": 0, "length": 1})
    return commands, writes, [*reads, contents.get(0, 0)], contents


def check(adapter, data_bits, stalls=(0.0, 0.0, 0.0), busy=0.3, controls=True, hold=0, seed=1):
    """Run a scenario; ``hold``: cycles before the first word is taken."""
    rng = random.Random(seed)
    dut = adapter(ADDRESS_BITS + (WORD_BITS // data_bits - 1).bit_length(), data_bits)
    controller = Controller(dut, random.Random(seed + 1), data_bits, busy)
    commands, writes, reads, contents = scenario(rng, 40 if controls else 60, controls)
    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    got = []

    async def reader(ctx):
        await drain(ctx, dut.port.read, got, len(reads), random.Random(4), stalls[2], hold)

    async def commander(ctx):
        await feed(ctx, dut.port.command, commands, random.Random(2), stalls[0])

    async def writer(ctx):
        await feed(ctx, dut.port.write, writes, random.Random(3), stalls[1])

    simulator.add_testbench(controller.run, background=True)
    simulator.add_testbench(commander)
    simulator.add_testbench(writer)
    simulator.add_testbench(reader)
    steps = 0
    while simulator.advance():   # an exception inside a testbench upsets the interpreter: whatever is wrong is noted
        steps += 1
        assert steps < STEPS, f"{len(got)} of {len(reads)} words after {STEPS} steps"
    assert [word & 0xFFFFFFFF if word != want else word for word, want in zip(got, reads, strict=False)] == reads
    beats = WORD_BITS // data_bits
    assert {addr: sum(controller.contents.get(addr * beats + beat, 0) << data_bits * beat for beat in range(beats))
            for addr in contents} == contents, "a word is not where its address says"
    assert controller.missing == 0, "the controller has taken words that were not there"
    assert controller.touched == 0, "a register was written before earlier commands had ended"


@pytest.mark.parametrize("data_bits", [128, 32, 16])
@pytest.mark.parametrize("stalls", [(0.0, 0.0, 0.0), (0.5, 0.0, 0.0), (0.0, 0.5, 0.0), (0.0, 0.0, 0.5)])
def test_words(data_bits, stalls):
    check(NativeAdapter, data_bits, stalls)


@pytest.mark.parametrize("data_bits", [128, 16])
def test_reads_wait_for_room(data_bits):
    check(NativeAdapter, data_bits, busy=0.0, controls=False, hold=1500)


@pytest.mark.parametrize(("old", "new"), [
    ("asked != READ_WORDS)", "1)"),                                 # more reads than there is room for
    ("written != 0, asked", "1, asked"),                            # a command before its word
    ("& (owed == 0)", ""),                                          # a register before earlier writes
    ("& (asked == 0)", ""),                                         # a register before earlier reads
    ("Cat(beat, command.addr)", "Cat(command.addr, beat)"),         # parts of a word far from each other
    ("taken.eq(move & final", "taken.eq(move"),                     # a new word for each part
    ("ready & looked)", "ready)"),                                       # a register's value a cycle early
    ("step & last", "step"),                                        # bursts of one word
    ("active.eq(self.port.command.valid", "active.eq(1"),           # commands that nobody gave
])
def test_a_broken_adapter_is_found(old, new):
    module = mutate(native.__name__, old, new)
    with pytest.raises((AssertionError, ValueError)):
        check(module.NativeAdapter, 32, (0.3, 0.0, 0.0), hold=300)
        check(module.NativeAdapter, 128, (0.98, 0.9, 0.0))
        check(module.NativeAdapter, 128, busy=0.0, controls=False, hold=1500)


def test_width_that_does_not_divide_a_word():
    with pytest.raises(ValueError, match="data_bits=48, expected 128 divided by a power of two"):
        NativeAdapter(8, 48)
