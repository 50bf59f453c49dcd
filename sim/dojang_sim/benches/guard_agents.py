"""The two sides of a guard in Amaranth's simulator: a memory that errs, and a chip that knows what it should read."""

import random
from collections import deque
from collections.abc import Callable

from dojang_hdl.guard.layout import REGISTER_WINDOW
from dojang_hdl.memory_control import CONTROL_WINDOW

__all__ = ["Chip", "ErringMemory", "simulate"]

_FULL = 0xFFFF


class ErringMemory:
    """Words as integers; commands in order, with stalls and random latency.

    Members
    -------
    words: the contents.
    flip: of (address, word): the word as it is read.
    lost: numbers of write commands, from 0 on, whose words do not reach the memory.
    written: first addresses of the write commands so far. taken: words read.
    control: of an address in the control window: the word that is read there. controlled: (address, data, byte mask)
        written there.
    """

    def __init__(self, words: list[int], rng: random.Random, stall: float = 0.2, latency: range = range(10, 40)):
        self.words, self.flip, self.lost = words, lambda _, word: word, set[int]()
        self.written: list[int] = []
        self.control, self.controlled = lambda addr: addr ^ 0xAA, list[tuple[int, int, int]]()
        self.taken = 0
        self._rng, self._stall, self._latency = rng, stall, latency
        self.reset()

    def reset(self) -> None:
        """Forget what is on its way."""
        self._commands, self._data = deque(), deque()
        self._answers: deque[tuple[int, int]] = deque()     # (cycle, word)
        self._cycle = 0

    def drive(self, ctx, port) -> Callable[[], None]:
        """Set the inputs of a cycle; what is returned is to be called after all inputs are set, before the tick."""
        rng = self._rng
        ready = [rng.random() >= self._stall for _ in range(2)]
        ctx.set(port.command.ready, ready[0])
        ctx.set(port.write.ready, ready[1])
        due = bool(self._answers) and self._answers[0][0] <= self._cycle
        ctx.set(port.read.valid, due)
        if due:
            ctx.set(port.read.payload, self._answers[0][1])

        def sample():
            if ready[0] and ctx.get(port.command.valid):
                command = ctx.get(port.command.payload)
                assert 1 <= command.length, "a command without words"
                in_control = command.addr >= CONTROL_WINDOW
                assert in_control or command.addr + command.length <= len(self.words), "beyond the end of the memory"
                self._commands.append([command.write, command.addr, command.length])
                if command.write and not in_control:
                    self.written.append(command.addr)
            if ready[1] and ctx.get(port.write.valid):
                word = ctx.get(port.write.payload)
                self._data.append((word.data, word.mask))
            if due and ctx.get(port.read.ready):
                self._answers.popleft()
                self.taken += 1
            self._work()
            self._cycle += 1

        return sample

    def _work(self):
        while self._commands:
            write, addr, length = command = self._commands[0]
            if write and addr >= CONTROL_WINDOW:
                for offset in range(min(length, len(self._data))):
                    self.controlled.append((addr + offset, *self._data.popleft()))
                    command[1:] = command[1] + 1, command[2] - 1
                if command[2]:
                    return
            elif write:
                number = len(self.written) - sum(one[0] and one[1] < CONTROL_WINDOW for one in self._commands)
                for offset in range(min(length, len(self._data))):
                    data, mask = self._data.popleft()
                    assert mask == _FULL, "a masked write"
                    if number not in self.lost:
                        self.words[addr + offset] = data
                    command[1:] = command[1] + 1, command[2] - 1
                if command[2]:
                    return
            else:
                when = self._cycle + self._rng.choice(self._latency)
                when = max(when, self._answers[-1][0]) if self._answers else when
                self._answers += [(when, self._read(at)) for at in range(addr, addr + length)]
            self._commands.popleft()

    def _read(self, addr):
        return self.control(addr) if addr >= CONTROL_WINDOW else self.flip(addr, self.words[addr])


class Chip:
    """Commands one after the other; ``shadow``: the words as they should be.

    Members
    -------
    wrong: (address, word) of words that were not as they should be. got: words read. values: what was read of
        registers and of the memory as it is, and not compared.
    """

    def __init__(self, shadow: list[int], rng: random.Random, stall: float = 0.1):
        self.shadow, self.wrong, self.got, self.values = shadow, [], 0, []
        self.hold = False           # no words are taken
        self._rng, self._stall = rng, stall
        self.reset()

    def reset(self) -> None:
        self._commands, self._data, self._expected = deque(), deque(), deque()
        self._offered = [False, False]      # of the first command and word; kept until it is taken

    @property
    def done(self) -> bool:
        return not (self._commands or self._data or self._expected)

    def read(self, addr: int, length: int = 1) -> None:
        """Beyond the shadow nothing is compared, but kept in ``values``."""
        self._commands.append((0, addr, length))
        for at in range(addr, addr + length):
            self._expected.append((at, self.shadow[at] if at < len(self.shadow) else None))

    def write(self, addr: int, words: list[tuple[int, int]]) -> None:
        """``words``: (data, byte mask)."""
        self._commands.append((1, addr, len(words)))
        self._data += words
        for at, (data, mask) in enumerate(words, addr):
            if at < len(self.shadow):
                bits = sum(0xFF << 8 * byte for byte in range(16) if mask >> byte & 1)
                self.shadow[at] = self.shadow[at] & ~bits | data & bits

    def register(self, number: int, value: int) -> None:
        self.write(REGISTER_WINDOW | number, [(value, _FULL)])

    def drive(self, ctx, port) -> Callable[[], None]:
        """As `ErringMemory.drive`."""
        rng = self._rng
        offered = [kept or (bool(queue) and rng.random() >= self._stall)
                   for kept, queue in zip(self._offered, (self._commands, self._data), strict=True)]
        ctx.set(port.command.valid, offered[0])
        if offered[0]:
            write, addr, length = self._commands[0]
            ctx.set(port.command.payload, {"write": write, "addr": addr, "length": length})
        ctx.set(port.write.valid, offered[1])
        if offered[1]:
            ctx.set(port.write.payload, {"data": self._data[0][0], "mask": self._data[0][1]})
        ready = not self.hold and rng.random() >= self._stall
        ctx.set(port.read.ready, ready)

        def sample():
            for index, (stream, queue) in enumerate(((port.command, self._commands), (port.write, self._data))):
                taken = offered[index] and ctx.get(stream.ready)
                self._offered[index] = offered[index] and not taken
                if taken:
                    queue.popleft()
            if ready and ctx.get(port.read.valid):
                assert self._expected, "a word too many"
                (at, wanted), word = self._expected.popleft(), ctx.get(port.read.payload)
                self.got += 1
                if wanted is None:
                    self.values.append(word)
                elif word != wanted:
                    self.wrong.append((at, word))

        return sample


async def simulate(ctx, guard, chip: Chip, memory: ErringMemory, cycles: int, until: Callable[[], bool] | None = None,
                   ) -> None:
    """Until ``until``, by default until the chip has got and the guard has verified everything.

    AssertionError if that takes more than ``cycles``.
    """
    quiet = 0
    for _ in range(cycles):
        samples = [agent.drive(ctx, port) for agent, port in ((chip, guard.port), (memory, guard.memory))]
        for sample in samples:
            sample()
        quiet = 0 if ctx.get(guard.status.busy) or not chip.done else quiet + 1
        await ctx.tick()
        # A gathered cluster is busy two cycles after its first word.
        if until() if until else quiet > 4:
            return
    raise AssertionError(f"not done within {cycles} cycles")
