"""What surrounds a `HostBridge` in its bench: one object for each port, driven and sampled once a cycle."""

import random
from collections import deque

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, ReadOnly
from dojang_hdl.isa import Mode
from dojang_hdl.memory import MemoryCommand, MemoryWrite
from dojang_hdl.mesh.flit import DataFlit
from dojang_hdl.mesh.message import HostMessage

__all__ = ["Environment"]

WORD = (1 << 128) - 1


class Source:
    """Offers ``queue`` at an input stream, pausing with probability ``stall``; calls ``sent`` with each one taken."""

    def __init__(self, dut, port, rng, stall, sent=None):
        self._valid, self._ready, self._payload = (getattr(dut, f"{port}__{name}")
                                                   for name in ("valid", "ready", "payload"))
        self.queue: deque[int] = deque()
        self._rng, self._stall, self._sent, self._offered = rng, stall, sent, False

    def drive(self):
        if not self._offered:
            self._offered = bool(self.queue) and self._rng.random() >= self._stall
            if self._offered:
                self._payload.value = self.queue[0]
        self._valid.value = int(self._offered)

    def sample(self):
        if self._offered and int(self._ready.value):
            self._offered = False
            item = self.queue.popleft()
            if self._sent:
                self._sent(item)


class Sink:
    """Takes an output stream, not ready with probability ``stall``; checks that an offer stays until it is taken."""

    def __init__(self, dut, port, rng, stall, received):
        self._valid, self._ready, self._payload = (getattr(dut, f"{port}__{name}")
                                                   for name in ("valid", "ready", "payload"))
        self._port, self._rng, self._stall, self._received = port, rng, stall, received
        self._take, self._pending = False, None

    def drive(self):
        self._take = self._rng.random() >= self._stall
        self._ready.value = int(self._take)

    def sample(self):
        offer = int(self._payload.value) if int(self._valid.value) else None
        assert self._pending is None or offer == self._pending, f"{self._port}: an offer changed before it was taken"
        if offer is not None and self._take:
            self._received(offer)
            offer = None
        self._pending = offer


class Memory:
    """One channel: executes commands in order; ``log`` holds (write, address, data) of each word.

    ``longest``: words of the longest command so far.
    """

    def __init__(self, dut, port, rng, stall):
        self.words: dict[int, int] = {}
        self.log: list[tuple[bool, int, int]] = []
        self._commands: deque[tuple[bool, int]] = deque()
        self.longest = 0
        self._data: deque[int] = deque()
        self._read = Source(dut, f"{port}__read", rng, stall)
        self._agents = [Sink(dut, f"{port}__command", rng, stall, self._command),
                        Sink(dut, f"{port}__write", rng, stall, self._write), self._read]

    def _command(self, bits):
        command = MemoryCommand.from_bits(bits)
        assert command.length == 1 or not command.write
        self.longest = max(self.longest, command.length)
        self._commands.extend((bool(command.write), command.addr + word) for word in range(command.length))

    def _write(self, bits):
        write = MemoryWrite.from_bits(bits)
        assert write.mask == 0xFFFF
        self._data.append(write.data)

    def drive(self):
        for agent in self._agents:
            agent.drive()

    def sample(self):
        for agent in self._agents:
            agent.sample()
        while self._commands and (self._data or not self._commands[0][0]):
            write, address = self._commands.popleft()
            if write:
                self.words[address] = self._data.popleft()
            else:
                self._read.queue.append(self.words.get(address, 0))
            self.log.append((write, address, self.words.get(address, 0)))

    @property
    def idle(self) -> bool:
        return not (self._commands or self._data or self._read.queue)


class Registers:
    """Counter registers, answering the address of two cycles before; garbage otherwise never repeats."""

    def __init__(self, dut, rng):
        self.values = [rng.getrandbits(32) for _ in range(512)]
        self._addr, self._data = dut.csr_addr, dut.csr_data
        self._pipeline = deque([0, 0])

    def drive(self):
        self._data.value = self.values[self._pipeline.popleft()]

    def sample(self):
        self._pipeline.append(int(self._addr.value))


class Environment:
    """Clock, reset and all agents.

    Attributes
    ----------
    received: bytes from the bridge.
    flits: kind, mode, address and payload of those taken from the control port.
    runs: cycles from RUN flit to last DONE or reset, for each run.
    clears, resets: cycles in which count_clear and soft_reset were high.
    on_message: called with each (x, y, type, payload) the bridge has taken.
    """

    def __init__(self, dut, channels: int, nodes: int, seed: int, stall: float, on_message):
        self.rng = random.Random(seed)
        self.cycle = 0
        self.received = bytearray()
        self.flits: list = []
        self.runs: list[int] = []
        self.clears: list[int] = []
        self.resets: list[int] = []
        self._dut, self._nodes, self._on_message = dut, nodes, on_message
        self._started, self._done = None, 0
        self.rx = Source(dut, "rx", self.rng, stall)
        self.messages = Source(dut, "messages", self.rng, stall, self._message)
        self.registers = Registers(dut, self.rng)
        self.memory = [Memory(dut, f"memory__{number}", self.rng, stall) for number in range(channels)]
        self._agents = [self.rx, Sink(dut, "tx", self.rng, stall, self.received.append), self.messages, self.registers,
                        Sink(dut, "control", self.rng, stall, self._flit), *self.memory]

    def _flit(self, bits):
        flit = DataFlit.from_bits(bits)
        self.flits.append((flit.kind.name, Mode(flit.mode).name, flit.addr, flit.payload))
        if flit.kind.name == "RUN":
            self._started, self._done = self.cycle, 0

    def _message(self, bits):
        message = HostMessage.from_bits(bits)
        if message.type.name == "DONE" and self._started is not None:
            self._done += 1
            if self._done == self._nodes:
                self.runs.append(self.cycle - self._started)
                self._started = None
        self._on_message(message.x, message.y, message.type.value, message.payload.to_bytes(16, "little"))

    async def reset(self):
        self._clock = cocotb.start_soon(Clock(self._dut.clk, 2, unit="step").start())
        for port in ("rx", "messages", *(f"memory__{number}__read" for number in range(len(self.memory)))):
            getattr(self._dut, f"{port}__valid").value = 0
        self._dut.rst.value = 1
        for _ in range(2):
            await FallingEdge(self._dut.clk)
        self._dut.rst.value = 0

    def stop(self):
        self._clock.cancel()

    async def step(self):
        for agent in self._agents:
            agent.drive()
        await ReadOnly()
        if int(self._dut.soft_reset.value) and self._started is not None:
            self.runs.append(self.cycle - 1 - self._started)
            self._started = None
        running = int(self._dut.running.value)
        assert running == (self._started is not None), f"running is {running} in cycle {self.cycle}"
        assert int(self._dut.count_enable.value) == running
        for name, seen in (("count_clear", self.clears), ("soft_reset", self.resets)):
            if int(getattr(self._dut, name).value):
                seen.append(self.cycle)
        for agent in self._agents:
            agent.sample()
        self.cycle += 1
        await FallingEdge(self._dut.clk)

    async def until(self, condition, limit: int, what: str):
        """Step until ``condition()``; AssertionError after ``limit`` cycles."""
        for _ in range(limit):
            if condition():
                return
            await self.step()
        raise AssertionError(f"watchdog: no {what} within {limit} cycles")

    async def quiet(self, cycles: int, enough=lambda: False):
        """Step until nothing was sent or received for ``cycles``, or ``enough()``."""
        since, seen = self.cycle, len(self.received)
        while self.cycle - since < cycles and not enough():
            await self.step()
            if self.rx.queue or len(self.received) != seen:
                since, seen = self.cycle, len(self.received)
