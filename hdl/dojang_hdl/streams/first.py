"""Several streams for one taker, in a fixed order."""

from amaranth.hdl import Cat, Const, Module, Signal, Value

__all__ = ["take_first"]

_NEVER = Const(0)


def take_first(m: Module, streams, ready, hold: Value = _NEVER) -> tuple[Value, Signal]:
    """Whether one of ``streams`` offers something, and what the first of these does; taken when ``ready``. From the
    last one nothing is taken on ``hold``.

    The choice is where the item is taken, so no stream has to keep what it offers while an earlier one passes it. There
    is nothing fair about it: an earlier stream that always offers holds up those behind it.
    """
    payload = Signal.like(streams[0].payload, name="first")
    *earlier, last = streams
    m.d.comb += payload.eq(last.payload)
    for stream in reversed(earlier):
        with m.If(stream.valid):
            m.d.comb += payload.eq(stream.payload)
    valids = [*(stream.valid for stream in earlier), last.valid & ~hold]
    free: Value = Const(1)
    for stream, valid in zip(streams, valids, strict=True):
        m.d.comb += stream.ready.eq(ready & free & ~hold if stream is last else ready & free)
        free = free & ~valid
    return Cat(valids).any(), payload
