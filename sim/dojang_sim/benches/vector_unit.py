"""cocotb bench of the vector unit: random commands, back to back or with pauses, checked after each one.

Environment: ``VECTOR_SEED``, ``VECTOR_COMMANDS`` (how many), ``VECTOR_LONGEST`` (elements of the long ones).
"""

import os
from random import Random

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge, SimTimeoutError, with_timeout

from .vector_commands import VectorMachine, command_bits, random_command, random_patterns

WORDS = 1024
PERIOD_NS = 10
READ_LATENCY = 2


class SramModel:
    """Answers the read ports and takes the writes; one call per clock edge."""

    def __init__(self, dut, machine: VectorMachine):
        self.machine = machine
        self._dut = dut
        self._reads = [(dut.a__addr, dut.a__data, []), (dut.b__addr, dut.b__data, [])]
        self.wrote = False

    def edge(self):
        dut = self._dut
        for address, data, queue in self._reads:
            queue.append(self.machine.word(int(address.value)))
            if len(queue) == READ_LATENCY:
                data.value = queue.pop(0)
        self.wrote = bool(dut.write__en.value)
        if self.wrote:
            self.machine.write(int(dut.write__addr.value), int(dut.write__data.value), int(dut.write__mask.value))


class Driver:
    """Offers commands on the stream: at once, or after a random pause; holds each until it is taken."""

    def __init__(self, dut, rng: Random):
        self._dut = dut
        self._rng = rng
        self._stall = False
        self._pause = 0
        self.pending: dict[str, int] | None = None

    def edge(self, source) -> dict[str, int] | None:
        """Returns the command that was taken at this edge; ``source`` makes the next one."""
        dut, taken = self._dut, None
        if dut.command__valid.value and dut.command__ready.value:
            taken, self.pending = self.pending, None
            dut.command__valid.value = 0
            self._stall = self._rng.random() < 0.5
            self._pause = self._rng.randrange(60) if self._stall else 0
        elif self.pending is None and self._pause > 0:
            self._pause -= 1
        if taken is not None:
            source.accepted(taken)
        if self.pending is None and self._pause == 0 and (command := source.next()) is not None:
            self.pending = command
            dut.command__payload.value = command_bits(command)
            dut.command__valid.value = 1
        return taken


class CommandSource:
    """The model side: random commands for the state the machine will be in, executed when the unit accepts them.

    Most commands find fresh operands, since results of results are soon nothing but zeros and NaNs; ``real`` is the
    unit's SRAM.
    """

    def __init__(self, rng: Random, machine: VectorMachine, real: VectorMachine, count: int, counts):
        self._rng, self.machine, self._real, self._left, self._counts = rng, machine, real, count, counts
        self.log: list[dict[str, int]] = []

    def next(self) -> dict[str, int] | None:
        if not self._left:
            return None
        self._left -= 1
        return random_command(self._rng, self.machine, self._counts)

    def accepted(self, command: dict[str, int]) -> None:
        rng = self._rng
        for operand in ("a", "b"):
            if rng.random() < 0.8:
                patterns = random_patterns(rng, command["n"] + 1, everyday=rng.choice((0.6, 1, 1)))
                for machine in (self.machine, self._real):
                    machine.fill(command[operand], patterns)
        self.log.append(command)
        self.machine.execute(command)

    @property
    def exhausted(self) -> bool:
        return not self._left


class Checker:
    """Compares the unit's outputs with the model whenever the unit is idle."""

    def __init__(self, dut, sram: SramModel, source: CommandSource):
        self._dut, self._sram, self._source = dut, sram, source
        self._was_busy = self._saturated = False
        self._asked: int | None = None
        self.checked = 0

    def edge(self) -> None:
        busy = bool(self._dut.busy.value)
        assert bool(self._dut.command__ready.value) == (not busy), "ready does not mean idle"
        assert busy or not self._sram.wrote, "a write while idle"
        self._saturated |= bool(self._dut.saturated.value)
        if not busy:
            model = self._source.machine
            if self._was_busy:
                np.testing.assert_array_equal(self._sram.machine.banks, model.banks, err_msg=str(self._source.log[-1]))
                assert self._saturated == model.saturated, f"saturated: {self._source.log[-1]}"
                self.checked += 1
            else:
                assert not self._saturated, "saturated while idle"
            self._saturated = False
            if self._asked is not None and model.scalars[self._asked] is not None:
                seen, expected = int(self._dut.scalar.value), model.scalars[self._asked]
                assert seen == expected, f"scalar {self._asked} is {seen:#x}, expected {expected:#x}"
        self._was_busy = busy
        self._asked = int(self._dut.scalar_index.value)


async def execute_all(dut, rng: Random, source: CommandSource, driver: Driver, sram: SramModel, checker: Checker):
    watchdog = 0
    while True:
        await RisingEdge(dut.clk)
        sram.edge()
        checker.edge()
        taken = driver.edge(source)
        # The register that is written now and then, otherwise any.
        if rng.random() < 0.2:
            dut.scalar_index.value = source.log[-1]["s_out"] if source.log and rng.random() < 0.7 else rng.randrange(16)
        watchdog = 0 if taken is not None or not dut.busy.value else watchdog + 1
        assert watchdog < 10_000, "watchdog: a command does not end"
        if source.exhausted and driver.pending is None and not dut.busy.value and taken is None:
            return


@cocotb.test()
async def random_commands(dut):
    """Random commands of every kind over everyday numbers and corner values."""
    seed = int(os.environ.get("VECTOR_SEED", "1"))
    count = int(os.environ.get("VECTOR_COMMANDS", "400"))
    longest = int(os.environ.get("VECTOR_LONGEST", "1500"))
    rng = Random(seed)
    counts = (0, 1, 2, 3, 4, 5, 7, 8, 9, 31, 32, 33, 64, 96, 100) * 2 + (longest,)
    start = VectorMachine(WORDS, [random_patterns(rng, WORDS * 4) for _ in range(2)])
    model = VectorMachine(WORDS, start.banks)
    sram = SramModel(dut, start)
    source = CommandSource(rng, model, start, count, counts)
    driver, checker = Driver(dut, rng), Checker(dut, sram, source)

    cocotb.start_soon(Clock(dut.clk, PERIOD_NS, unit="ns").start())
    dut.rst.value = 1
    dut.command__valid.value = 0
    dut.scalar_index.value = 0
    for _ in range(3):
        await RisingEdge(dut.clk)
    dut.rst.value = 0
    try:
        limit = count * (longest + 300) * PERIOD_NS
        await with_timeout(execute_all(dut, rng, source, driver, sram, checker), limit, "ns")
    except SimTimeoutError:
        raise AssertionError(f"watchdog: {checker.checked} commands checked") from None
    assert len(source.log) == count
    assert checker.checked >= count * 3 // 4, "hardly any command did something"
