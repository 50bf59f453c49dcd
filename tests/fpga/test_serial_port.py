"""The serial port between line and bytes: order, flow control, broken bytes."""

from amaranth.sim import Simulator
from dojang_fpga.serial_port import SerialPort

CYCLES = 8


def simulate(dut, *benches):
    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    for bench in benches:
        simulator.add_testbench(bench)
    simulator.run()


async def send(ctx, dut, byte, stop=1):
    for bit in (0, *(byte >> i & 1 for i in range(8)), stop, *([1] if not stop else [])):
        ctx.set(dut.rx, bit)
        await ctx.tick().repeat(CYCLES)


def test_bytes_from_the_line_come_in_order_and_a_broken_one_is_an_error():
    dut, got, errors = SerialPort(CYCLES), [], []

    async def line(ctx):
        for byte, stop in ((0x55, 1), (0x00, 1), (0x3C, 0), (0xA7, 1)):
            await send(ctx, dut, byte, stop)
        await ctx.tick().repeat(4 * CYCLES)

    async def host(ctx):
        ctx.set(dut.o.ready, 1)
        for cycle in range(50 * CYCLES):
            await ctx.tick()
            if ctx.get(dut.o.valid):
                got.append(ctx.get(dut.o.payload))
            if ctx.get(dut.error):
                errors.append(cycle)

    simulate(dut, line, host)
    assert got == [0x55, 0x00, 0xA7] and len(errors) == 1


def test_no_byte_begins_while_the_host_is_not_ready_and_none_is_lost():
    dut, sent = SerialPort(CYCLES), bytes(range(0xF0, 0xF8))
    line, starts = [], []

    async def chip(ctx):
        for byte in sent:
            ctx.set(dut.i.payload, byte)
            ctx.set(dut.i.valid, 1)
            await ctx.tick().until(dut.i.ready)
        ctx.set(dut.i.valid, 0)

    async def host(ctx):
        for cycle in range(240 * CYCLES):
            ready = cycle // (30 * CYCLES) % 2 == 0
            ctx.set(dut.ready, ready)
            await ctx.tick()
            line.append(ctx.get(dut.tx))

    simulate(dut, chip, host)
    at, bytes_seen = 0, []
    while at < len(line):
        if line[at]:
            at += 1
            continue
        starts.append(at)
        bits = [line[at + CYCLES // 2 + CYCLES * bit] for bit in range(10)]
        assert bits[0] == 0 and bits[9] == 1
        bytes_seen.append(sum(bit << i for i, bit in enumerate(bits[1:9])))
        at += 10 * CYCLES - CYCLES // 2
    assert bytes(bytes_seen) == sent
    # One byte may be on its way into the transmitter when the line changes.
    late = [start for start in starts if start // (30 * CYCLES) % 2 and start % (30 * CYCLES) > 11 * CYCLES]
    assert not late and any(start >= 60 * CYCLES for start in starts)
