"""The queue of prefetching requests against a plain model of what may pass what, and mutations that this catches."""

import random

import pytest
from dojang_hdl.mesh import prefetch_queue as module
from dojang_hdl.mesh.flit import DataKind, RequestKind
from dojang_sim.benches.mutation import mutate
from dojang_sim.benches.streams import run, send

WINDOW, NARROW, CALM, PATIENCE, DEPTH = 40, 15, 60, 150, 8
URGENT_KINDS = [kind for kind in DataKind if kind not in (DataKind.PLANES, DataKind.SCALES)]
FIELDS = ("x", "y", "kind", "addr", "length", "reply", "reply_addr", "tag", "mask", "payload")
READ_FIELDS = ("x", "y", "kind", "addr", "length", "reply")


def random_flits(rng, count, prefetching):
    for number in range(count):
        flit = {"x": rng.randrange(16), "y": rng.randrange(16), "addr": number, "reply_addr": rng.getrandbits(16),
                "length": rng.randrange(1, 33), "tag": rng.randrange(4), "mask": rng.getrandbits(16),
                "payload": rng.getrandbits(128), "kind": RequestKind.READ}
        flit["reply"] = rng.choice((DataKind.PLANES, DataKind.SCALES) if rng.random() < prefetching else URGENT_KINDS)
        if flit["reply"] in URGENT_KINDS and rng.random() < 0.4:
            # What a kind of reply says in such a flit means nothing.
            flit |= {"kind": rng.choice((RequestKind.WRITE, RequestKind.HOST)), "reply": rng.choice(list(DataKind))}
        yield flit


def prefetches(flit):
    return flit["kind"] == RequestKind.READ and flit["reply"] in (DataKind.PLANES, DataKind.SCALES)


def check(queue, seed, *, stall=0.0, prefetching=0.5, rate=1.0, count=150, cycles=None):
    """``rate``: words that the memory gives a cycle. The longest wait of prefetches (True), all others, in cycles."""
    rng = random.Random(seed)
    dut = queue(DEPTH, WINDOW, NARROW, CALM, PATIENCE)
    flits = list(random_flits(rng, count, prefetching))
    left, reading, cycle, calm = [], 0, [0], CALM
    accepted, waits, took_window = {}, {True: 0, False: 0}, [False]

    async def source(ctx):
        await send(ctx, dut.i, flits, rng, 0.2)

    async def watch(ctx):
        at = 0
        while True:
            if ctx.get(dut.i.valid) and ctx.get(dut.i.ready):
                accepted[at] = cycle[0]
                at += 1
            await ctx.tick()
            cycle[0] += 1

    async def memory(ctx):
        nonlocal reading, calm
        offered, passed = None, False     # what waits to be taken; something urgent has just passed
        begun, seen = 0, {}               # cycle in which it was offered first; words and calm of every cycle
        while len(left) < count:
            returned = reading > 0 and rng.random() < rate
            ready = rng.random() >= stall
            ctx.set(dut.returned, returned)
            ctx.set(dut.o.ready, ready)
            valid, flit = ctx.get(dut.o.valid), ctx.get(dut.o.payload)
            seen[cycle[0]] = reading, calm
            if offered is None:
                begun = cycle[0]
            names = READ_FIELDS if flit.kind == RequestKind.READ else FIELDS
            now = {name: getattr(flit, name) for name in names} if valid else None
            assert offered is None or now == offered, "an offer was withdrawn"
            offered = now if not ready else None
            took = 0
            if valid and ready:
                number = now["addr"]
                fields = READ_FIELDS if prefetches(flits[number]) else FIELDS
                assert all(getattr(flit, name) == flits[number][name] for name in fields)
                late = cycle[0] - accepted.get(number, cycle[0])
                kind = prefetches(flits[number])
                waits[kind] = max(waits[kind], late)
                assert late <= (DEPTH * (PATIENCE + 20) if kind else 0), "it waits too long"
                if kind:
                    assert not passed or late >= PATIENCE - 2, "it took the turn of something urgent"
                    words, was_calm = seen.get(begun - 2, (0, CALM))      # when its turn was decided
                    window = WINDOW if was_calm >= CALM else NARROW
                    assert words <= window or late >= PATIENCE - 2, f"{words} words were still to be read"
                    took_window[0] |= was_calm >= CALM and words > NARROW
                left.append(number)
                took = now["length"] if now["kind"] == RequestKind.READ else 0
            passed = valid and ready and not prefetches(flits[left[-1]])
            urgent = passed and (now["kind"] == RequestKind.WRITE or (took and
                                 now["reply"] in (DataKind.URGENT_PLANES, DataKind.URGENT_SCALES)))
            calm = 0 if urgent else calm + 1
            await ctx.tick()
            reading += took - returned

    run(dut, source, memory, cycles=cycles or 40 * count + 20 * PATIENCE, background=(watch,))
    for kind in (True, False):
        of_kind = [number for number in range(count) if prefetches(flits[number]) == kind]
        assert [number for number in left if prefetches(flits[number]) == kind] == of_kind, "order is lost"
    assert took_window[0] or prefetching < 0.9 or rate < 1, "the whole window is never used"
    return waits


@pytest.mark.parametrize("stall", [0.0, 0.5])
def test_order_and_window(stall):
    for seed in range(3):
        assert check(module.PrefetchQueue, seed, stall=stall)[True] > 0


def test_urgent_reads_do_not_starve_prefetching():
    """The memory is never below the window, yet nobody waits for ever: a queue's length of patience at most."""
    assert check(module.PrefetchQueue, 1, prefetching=0.1, rate=0.3)[True] >= PATIENCE


def full(queue):
    """Nothing is lost, and what waits behind a full queue does not hold up the queue."""
    check(queue, 2, prefetching=1.0, rate=0.5)
    words = sum(flit["length"] for flit in random_flits(random.Random(3), 150, 0.9))
    check(queue, 3, prefetching=0.9, cycles=words + words // 8 + 100)


def test_a_full_queue():
    full(module.PrefetchQueue)


MUTATIONS = {
    "no window": ("little & since.all() & ~read & ~passing | impatient", "1"),
    "what has just left does not count": ("little & since.all() & ~read & ~passing | impatient", "little | impatient"),
    "no narrow window": ("self._window, self._narrow))", "self._window, self._window))"),
    "always narrow": ("self._window, self._narrow))", "self._narrow, self._narrow))"),
    "any READ narrows": ("_any_of(o.reply, URGENT)", "1"),
    "no READ narrows": ("_any_of(o.reply, URGENT)", "0"),
    "no WRITE narrows": (" | leaves & (o.kind == RequestKind.WRITE)", ""),
    "no patience": (" | impatient", ""),
    "words never come back": ("- self.returned", ""),
    "one too many": ("self._depth - 1", "self._depth + 1"),
    "any request of such a reply": ("(flit.kind == RequestKind.READ) & ", ""),
    "the offer changes": ("with m.If(~self.o.valid | self.o.ready):", "with m.If(1):"),
    "held up by what waits behind": ("self.i.valid & room & ~prefetch & self.o.ready", "self.i.valid & ~prefetch"),
    "urgent requests wait for their turn": ("~read & ~passing |", "~read |"),
    "scales do not wait": ("(DataKind.PLANES, DataKind.SCALES)", "(DataKind.PLANES,)"),
}


@pytest.mark.parametrize("name", MUTATIONS)
def test_mutations_are_caught(name):
    broken = mutate("dojang_hdl.mesh.prefetch_queue", *MUTATIONS[name]).PrefetchQueue
    with pytest.raises(AssertionError):
        for seed in range(2, 5):
            check(broken, seed, stall=seed % 2 / 2)
        check(broken, 1, prefetching=0.1, rate=0.3)
        full(broken)
