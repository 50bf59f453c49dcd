"""A model that is read and brought onto a chip, with what is to be told of it."""

from collections.abc import Iterable

from ..checkpoints import Checkpoint, ScaleSet, load
from ..sessions import BoardSession, Session, Waves, open_board, open_session, saturation_message
from ..tokenizer import Tokenizer
from .console import console, working
from .options import Backend, Place

__all__ = ["Loaded"]


class Loaded:
    """A checkpoint with its tokenizer; messages about it are printed once each, when they come up."""

    def __init__(self, path: str, weights: int, scale_set: str | None):
        with working("reading the model"):
            checkpoint = load(path, weights)
            self.tokenizer = Tokenizer(checkpoint.tokenizer)
            self.set: ScaleSet | None = checkpoint.find_set(scale_set) if scale_set is not None else None
            self.checkpoint: Checkpoint = checkpoint.with_set(self.set) if self.set else checkpoint
        self._told: set[str] = set()
        self.tell((*self.checkpoint.messages, *self.tokenizer.messages))

    def tell(self, messages: Iterable[str]) -> None:
        for message in messages:
            if message not in self._told:
                self._told.add(message)
                console.print(f"{self.checkpoint.name}: {message}")

    def open(self, place: Place, context: int, rows: int | None = None) -> Session:
        """A session at ``place``; ``rows`` of K/V memory, one sequence's if None."""
        with working("placing the model on the chip") as progress:
            if place.port is not None:
                session = open_board(self.checkpoint, place.port, place.baud, context, place.compare_golden,
                                     place.rtscts, place.link_timeout, progress, rows=rows)
            else:
                session = open_session(
                    self.checkpoint, place.chip, place.backend.value, memory=place.memory, context=context,
                    waves=Waves(place.waves, place.wave_cycles) if place.waves else None,
                    compare_golden=place.backend is Backend.RTL, progress=progress, rows=rows)
        self.tell(self.checkpoint.messages)
        return session

    def tell_of(self, session: Session) -> None:
        """What came up while it worked: matrices that were decoded only then, numbers that left the chip's formats."""
        message = saturation_message(session.summary()["saturated"])
        self.tell([*self.checkpoint.messages, *([] if message is None else [message])])


def chip_of(session: Session, place: Place):
    """Configuration of the chip that a session runs on."""
    return session.config if isinstance(session, BoardSession) else place.chip
