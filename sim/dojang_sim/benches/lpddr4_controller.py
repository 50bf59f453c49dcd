"""The LPDDR4 controller in Amaranth's simulator: random traffic at the memory port, a judging memory at the PHY."""

import random
from collections import Counter, deque

from dojang_hdl.lpddr4.controller import Controller
from dojang_hdl.lpddr4.ports import ports_of
from dojang_hdl.lpddr4.refresh import FORCED, Temperature
from dojang_hdl.lpddr4.timing import BANKS, BURST, PAGE_BURSTS, Lpddr4Config

from ..lpddr4 import Checker, Command
from ..lpddr4.commands import Event
from ..lpddr4.device_rules import DEVICE_RULES
from ..lpddr4.devicespec import memspec_of
from ..lpddr4.pin_commands import CalibrationCode, PinDecoder
from .streams import receive, run, send

__all__ = ["PhyMemory", "random_traffic", "traffic_run"]

WORD = (1 << 128) - 1
CALIBRATIONS = {CalibrationCode.START: Command.ZQCAL_START, CalibrationCode.LATCH: Command.ZQCAL_LATCH}


def initial(address: int) -> int:
    """What the memory holds at a word address before it is written."""
    return address * 0x9E3779B97F4A7C15F39CC0605CEDC835 & WORD


def enabled(mask: int) -> int:
    """The bits of a word whose bytes are set in ``mask``."""
    return sum(0xFF << 8 * byte for byte in range(16) if mask >> byte & 1)


class PhyMemory:
    """PHY and memory at a controller's ``phy``: judges every command by the part's rules up to 85 °C, keeps the data.

    AssertionError names a breach: of a rule, of the order of refreshes, of when write data or ``read_start`` is due.

    Parameters
    ----------
    config: the channel.
    temperature: what MR4 answers.

    Members
    -------
    commands: how many there were of each.
    words: what was written, by word of the device: row, bank, word from the top.
    cycle: controller cycles since the start.
    """

    def __init__(self, config: Lpddr4Config, temperature: int = Temperature.TIMES_1.value):
        self.config = config
        self.spec = memspec_of(config)
        self.commands = Counter()
        self.words: dict[int, int] = {}
        self.cycle = 0
        self._temperature = temperature
        self._checker = Checker(self.spec, DEVICE_RULES)
        self._decoder = PinDecoder()
        self._rows = [0] * BANKS
        self._refreshed = set()     # banks of this round
        self._writes, self._reads = deque(), deque()        # (cycle, word address, masked), (cycle, bits)
        self._pins = {}
        self._latency = -(-(3 + self.spec.RL + self.spec.DQSCK + BURST) // config.ratio) + 3

    def attach(self, phy):
        """A testbench that answers at ``phy``, to be run in the background."""
        async def bench(ctx):
            ctx.set(phy.calibrated, 1)
            while True:
                self._answer(ctx, phy)
                self._power(ctx, phy)
                self._sample(ctx, phy)
                self._take(ctx, phy)
                await ctx.tick()
                self.cycle += 1
        return bench

    def _answer(self, ctx, phy):
        due = bool(self._reads) and self._reads[0][0] <= self.cycle
        ctx.set(phy.read_valid, due)
        if due:
            ctx.set(phy.read.as_value(), self._reads.popleft()[1])

    def _power(self, ctx, phy):
        for pin, name in ((phy.reset_n, "RESET"), (phy.cke, "CKE")):
            level = ctx.get(pin)
            if self._pins.get(name) != level:
                self._pins[name] = level
                self._judge(self.cycle * self.config.ratio, Event[f"{name}_{'HIGH' if level else 'LOW'}"])

    def _sample(self, ctx, phy):
        cs, started = ctx.get(phy.cs), ctx.get(phy.read_start)
        reads = False
        if cs:
            pins = ctx.get(phy.ca.as_value())
            assert not cs & cs >> 1, f"cycle {self.cycle}: CS is {cs:b}, high in two clocks in a row"
            for phase in (phase for phase in range(self.config.ratio) if cs >> phase & 1):
                found = self._decoder.half(self.cycle * self.config.ratio + phase, pins >> 6 * phase & 63,
                                           pins >> 6 * (phase + 1) & 63)
                if found:
                    time, command = found
                    kind = CALIBRATIONS[command.op] if command.name == "MPC" else Command[command.name]
                    self._judge(time, kind, command.bank)
                    self._execute(time, kind, command)
                    reads |= kind in (Command.RD, Command.MRR)
        assert started == reads, f"cycle {self.cycle}: read_start is {started}, expected {int(reads)}"

    def _judge(self, time, command, bank=0):
        verdict = self._checker.issue(time, command, bank)
        assert verdict.ok, f"t={time} {command} bank {bank}: rule {verdict.rule}, earliest {verdict.earliest}"
        self.commands[command] += 1

    def _execute(self, time, kind, command):
        bank, config = command.bank, self.config
        cycles = BURST // config.ratio
        if kind is Command.ACT:
            self._rows[bank] = command.row
        elif kind is Command.REFPB:
            assert bank not in self._refreshed, f"t={time}: bank {bank} is refreshed again in a round"
            self._refreshed = (self._refreshed | {bank}) if len(self._refreshed) < BANKS - 1 else set()
        elif kind is Command.REFAB:
            self._refreshed = set()
        elif kind is Command.MRW:
            self._checker.write_mode(command.ma, command.op)
        elif kind is Command.MRR:
            self._reply([self._temperature if command.ma == 4 else 0xFF, 0], cycles)
        elif kind in (Command.RD, Command.WR, Command.MWR):
            assert time == self.cycle * config.ratio, f"t={time}: {kind} does not start with the cycle"
            first = ((self._rows[bank] * BANKS + bank) * PAGE_BURSTS + command.column // 16) * 2
            if kind is Command.RD:
                self._reply([self.words.get(first + half, initial(first + half)) for half in range(2)], cycles)
            else:
                width = 2 // cycles
                self._writes += [(self.cycle + config.write_delay + at, first + at * width, kind is Command.MWR)
                                 for at in range(cycles)]

    def _reply(self, words, cycles):
        bits, width = words[0] | words[1] << 128, 256 // cycles
        self._reads += [(self.cycle + self._latency + at, bits >> width * at & (1 << width) - 1)
                        for at in range(cycles)]

    def _take(self, ctx, phy):
        due = bool(self._writes) and self._writes[0][0] == self.cycle
        valid = ctx.get(phy.write_valid)
        assert valid == due, f"cycle {self.cycle}: write_valid is {valid}, expected {int(due)}"
        if due:
            _, first, masked = self._writes.popleft()
            bits, masks = ctx.get(phy.write.as_value()), ctx.get(phy.mask.as_value())
            assert masked or not masks, f"cycle {self.cycle}: a mask of {masks:x} with WR"
            for at in range(self.config.ratio // 4):
                keep = enabled(masks >> 16 * at & 0xFFFF)
                old = self.words.get(first + at, initial(first + at))
                self.words[first + at] = old & keep | (bits >> 128 * at) & WORD & ~keep

    def check_refreshes(self):
        """AssertionError if fewer refreshes came than a controller owes that may put off `FORCED` of them."""
        clocks = self.cycle * self.config.ratio - self.spec.INIT1 - self.spec.INIT3 - self.spec.INIT5 - self.spec.ZQCAL
        owed = clocks * BANKS // self.spec.REFI - FORCED - 2 * BANKS
        done = self.commands[Command.REFPB] + BANKS * self.commands[Command.REFAB]
        assert done >= owed, f"{done} refreshes of a bank, expected at least {owed}"


def random_traffic(rng: random.Random, words: int, count: int) -> list[tuple[int, int, int]]:
    """``count`` commands (write, addr, length) that often meet: few rows, two of them of one bank, and the end of the
    memory, beyond which addresses wrap.
    """
    bases = [0, 3 * 128, 1024 + 3 * 128, words - 256]
    return [(int(rng.random() < 0.45), rng.choice((*bases, rng.randrange(words))) + rng.randrange(200),
             rng.choice((1, 1, 2, 3, 16, rng.randrange(1, 257)))) for _ in range(count)]


def place(config: Lpddr4Config, port: int, address: int) -> int:
    """The device's word that a port has at ``address``."""
    row, rest = divmod(address % config.port_words, config.port_banks * 2 * PAGE_BURSTS)
    return (row * BANKS + port * config.port_banks) * 2 * PAGE_BURSTS + rest


def traffic_run(config: Lpddr4Config, commands, *, stalls=(0.0, 0.0, 0.0), late: int = 0, masks: float = 0.0,
                cycles: int = 20_000, controller=Controller, memory: PhyMemory | None = None) -> int:
    """Run ``commands`` (write, addr, length) and return the cycles from the first word read to the last. Several ports
    have a list of commands each.

    Parameters
    ----------
    stalls: probabilities that command and write are not offered and read is not ready, a cycle.
    late: no word is read before this cycle.
    masks: probability that a word's mask is random.
    cycles: after so many the run is given up.
    controller: the component class, `Controller` or a broken copy.
    memory: what answers; a `PhyMemory` of its own if None.

    Raises
    ------
    AssertionError: a rule is broken, a word read is wrong, what was written is not in the memory in the end, or the
        watchdog.
    """
    rng = random.Random(f"{config} {len(commands)}")
    dut, memory = controller(config), memory or PhyMemory(config)
    span, benches = [], []
    for number, (port, program) in enumerate(zip(ports_of(config, dut.port), ports_of(config, commands), strict=True)):
        expected, model, writes = [], {}, []
        for write, addr, length in program:
            for address in (place(config, number, index) for index in range(addr, addr + length)):
                old = model.get(address, initial(address))
                if write:
                    word, mask = rng.getrandbits(128), rng.getrandbits(16) if rng.random() < masks else 0xFFFF
                    writes.append({"data": word, "mask": mask})
                    model[address] = old & ~enabled(mask) | word & enabled(mask)
                else:
                    expected.append((address, old))
        benches += _master(port, program, writes, expected, model, memory, stalls, late, rng, span)
    run(dut, *benches, cycles=cycles, background=[memory.attach(dut.phy)])
    memory.check_refreshes()
    return max(span) - min(span) + 1 if span else 0


def _master(port, commands, writes, expected, model, memory, stalls, late, rng, span):
    """Testbenches of one port; ``span`` gets the cycle of each word read."""
    async def command(ctx):
        await send(ctx, port.command, [{"write": write, "addr": addr, "length": length}
                                       for write, addr, length in commands], rng, stalls[0])

    async def write(ctx):
        await send(ctx, port.write, writes, rng, stalls[1])

    async def read(ctx):
        while memory.cycle < late:
            await ctx.tick()
        for address, wanted in expected:
            word, = await receive(ctx, port.read, 1, rng, stalls[2])
            assert word == wanted, f"cycle {memory.cycle}: word {address} is {word:x}, expected {wanted:x}"
            span.append(memory.cycle)
        # What was written last is still on its way; the controller goes on until all of it is there.
        while any(memory.words.get(address, initial(address)) != word for address, word in model.items()):
            await ctx.tick()

    return command, write, read
