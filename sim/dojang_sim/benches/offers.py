"""The rule of streams, watched inside a design: what is offered stays as it is until it is taken."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from unittest.mock import patch

from amaranth.hdl import Value
from amaranth.lib import stream, wiring

__all__ = ["Offers", "recorded"]


class Offers:
    """The streams of all components made within `recorded`, by names as ``JobRing.i[0]``; alike ones are numbered.

    Members
    -------
    broken: of each stream that took back or changed what it had offered, the cycle in which it first did.
    waited: of each stream the cycles in which something waited there, for which the rule is.
    """

    def __init__(self):
        self.components: list[wiring.Component] = []
        self.broken, self.waited = dict[str, int](), dict[str, int]()

    def component(self, kind: str) -> wiring.Component:
        """The only one whose class has this name."""
        found, = (component for component in self.components if type(component).__name__ == kind)
        return found

    async def watch(self, ctx, resets: Collection[str] = (), reset: Value | None = None) -> None:
        """A background testbench. ``resets``: streams that ``reset`` empties; it takes back what is offered there."""
        streams = self._streams()
        signals = [signal for parts in streams.values() for signal in parts]
        before, cycle = dict[str, int](), 0
        self.waited = dict.fromkeys(streams, 0)
        while True:
            _, _, in_reset, *values = await ctx.tick().sample(Value.cast(0 if reset is None else reset), *signals)
            now = {}
            for name, (valid, ready, payload) in zip(streams, zip(*[iter(values)] * 3, strict=True), strict=True):
                if in_reset and name in resets:
                    continue
                if name in before and (not valid or payload != before[name]):
                    self.broken.setdefault(name, cycle)
                if valid and not ready:
                    now[name] = payload
                    self.waited[name] += 1
            before, cycle = now, cycle + 1

    def _streams(self):
        found = dict[str, tuple[Value, Value, Value]]()
        for component in self.components:
            for path, one in _streams_of(component.signature, component, type(component).__name__):
                number = 1 + sum(name.partition("#")[0] == path for name in found)
                found[path if number == 1 else f"{path}#{number}"] = one.valid, one.ready, Value.cast(one.payload)
        return found


def _streams_of(signature, interface, path) -> Iterator[tuple[str, wiring.PureInterface]]:
    for name, member in signature.members.items():
        if member.is_signature:
            inner = getattr(interface, name)
            for place, one in ([(f"[{i}]", each) for i, each in enumerate(inner)] if member.dimensions
                               else [("", inner)]):
                if isinstance(member.signature, stream.Signature):
                    yield f"{path}.{name}{place}", one
                else:
                    yield from _streams_of(member.signature, one, f"{path}.{name}{place}")


@contextmanager
def recorded() -> Iterator[Offers]:
    """Within, every component that is made is noted; a design's inner ones are when its simulator is."""
    offers, original = Offers(), wiring.Component.__init__

    def note(self, *args, **kwargs):
        original(self, *args, **kwargs)
        offers.components.append(self)

    with patch.object(wiring.Component, "__init__", note):
        yield offers
