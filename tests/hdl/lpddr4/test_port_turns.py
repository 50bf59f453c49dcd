"""Two ports take turns on the column bus, whatever their banks offer."""

import random

import pytest
from dojang_hdl.lpddr4.port_turns import PortTurns
from dojang_hdl.lpddr4.timing import BANKS
from dojang_sim.benches.mutation import mutate
from dojang_sim.benches.streams import run

HALF = BANKS // 2

MUTATIONS = {
    "the first port first": ("asking.bit_select(~second, 1)", "asking[0] & second"),
    "never back": ("after = second ^ other", "after = second | other"),
    "a port that asks for nothing": ("asking.bit_select(~second, 1)", "1"),
    "always another bank": ("Mux(kept, going, turn.grant)", "turn.grant"),
    "always the same bank": ("turn.advance.eq(~kept)", "turn.advance.eq(0)"),
    "kept for ever": ("kept.eq((suited & going).any())", "kept.eq(going.any())"),
}


def check(turns, cycles=600):
    """Banks that could send something for some cycles each; never more than that a port may have missed."""
    dut, rng = turns(), random.Random(7)

    async def bench(ctx):
        left = [0] * BANKS                  # cycles for which a bank has something
        going = [None, None]                # bank of a port that had the last turn, as long as it is suited
        since = [0] * BANKS                 # turns of other banks of its port that began while this one waited
        missed = [0, 0]
        for _ in range(cycles):
            busy = rng.random() < 0.7
            left = [max(n - 1, 0) or (rng.randrange(1, 30) if busy and rng.random() < 0.2 else 0) for n in left]
            suited = [n > 0 for n in left]
            ctx.set(dut.suited, sum(bit << bank for bank, bit in enumerate(suited)))
            await ctx.tick()
            holder = ctx.get(dut.holder)
            assert holder & holder - 1 == 0
            bank = holder.bit_length() - 1
            assert (bank >= 0) == any(suited) and (bank < 0 or suited[bank])
            for port in range(2):
                banks = range(port * HALF, (port + 1) * HALF)
                asks = any(suited[each] for each in banks)
                missed[port] = missed[port] + 1 if asks and bank not in banks else 0
                assert missed[port] <= 1, f"port {port} waits for two bursts of the other"
                if bank in banks:
                    assert going[port] in (None, bank) or not suited[going[port]], f"bank {going[port]} could go on"
                    if going[port] != bank:
                        since = [n + 1 if each in banks and suited[each] else n for each, n in enumerate(since)]
                    since[bank] = 0
                    going[port] = bank
                since = [n if suited[each] else 0 for each, n in enumerate(since)]
                if going[port] is not None and not suited[going[port]]:
                    going[port] = None
            assert max(since) < HALF, "a bank is passed over"

    run(dut, bench, cycles=cycles + 2)


def test_turns():
    check(PortTurns)


@pytest.mark.parametrize("name", MUTATIONS)
def test_broken_turns_are_caught(name):
    broken = mutate("dojang_hdl.lpddr4.port_turns", *MUTATIONS[name]).PortTurns
    with pytest.raises(AssertionError):
        check(broken)
