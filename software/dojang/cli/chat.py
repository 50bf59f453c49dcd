"""``dojang chat``: a conversation, line by line."""

import sys
from importlib.util import find_spec

import typer

from ..errors import DojangError
from ..generation import Conversation, Ended, check_prompt
from ..interrupts import INTERRUPTED, interrupts
from ..sessions import Memory, Session
from . import options
from .answer import LiveAnswer, check_stop
from .console import console
from .opening import Loaded
from .options import Backend, Place, UsageError, text_of
from .prompts import Chat

ASK = "> "
RESET, EXIT = "/reset", "/exit"


def chat(
    model: options.Model,
    system: options.System = None,
    raw: options.Raw = False,
    tokens: options.Tokens = 512,
    stop: options.Stop = None,
    context: options.Context = None,
    chip: options.Chip = None,
    board: options.Board = None,
    baud: options.Baud = None,
    rtscts: options.Rtscts = False,
    link_timeout: options.LinkTimeout = None,
    backend: options.BackendOption = None,
    memory: options.MemoryOption = Memory.LPDDR4,
    weights: options.Weights = 8,
    scale_set: options.Set = None,
    temperature: options.Temperature = None,
    top_p: options.TopP = None,
    seed: options.Seed = None,
):
    """Talk to a model, a line a message, with what was said before; by default on the back end fast.

    /reset begins anew, /exit or the end of the input (Ctrl-D) ends. Ctrl-C stops an answer; while a line is waited
    for, it ends with code 130. Lines may also come from a pipe.

    Example: dojang chat smollm2 --system "Answer in one sentence."
    """
    place = Place.of(backend, Backend.FAST, chip, memory, board, baud, rtscts, link_timeout)
    chosen, stops = options.sampler(temperature, top_p, seed), check_stop(stop)
    loaded = Loaded(model, weights, scale_set)
    shape, said = loaded.checkpoint.shape, Chat(
        loaded.tokenizer, text_of(system) if system is not None else None, raw)
    said.check()
    with loaded.open(place, place.context(context, 0, shape.context)) as session:
        conversation = Conversation(session)
        while (line := _line()) is not None and line.strip() != EXIT:
            if line.strip() == RESET:
                said.reset()
            elif line.strip():
                try:
                    loaded.tell(loaded.tokenizer.dropped(line))
                    ids = said.ask(line)
                    check_prompt(ids, shape, session.context)
                except DojangError as error:
                    said.withdraw()
                    if not sys.stdin.isatty():
                        raise
                    console.print(f"{error} ({RESET} begins anew)")
                    continue
                answer = LiveAnswer(conversation.generation(ids, chosen, loaded.tokenizer.eos_ids), loaded.tokenizer,
                                stops)
                _print(answer, tokens, session)
                said.answered(answer.text)
                loaded.tell_of(session)


def _line() -> str | None:
    """The next one, without its end; None at the end of the input, and after Ctrl-C the command ends."""
    if sys.stdin is None:
        raise UsageError("standard input is closed, expected lines")
    try:
        if not sys.stdin.isatty():
            line = sys.stdin.buffer.readline()
            return line.decode("utf-8", "replace").rstrip("\r\n") if line else None
        if find_spec("readline") is not None:
            import readline  # noqa: F401  gives `input` keys to edit a line and to find earlier ones
        return text_of(input(ASK))
    except EOFError:
        console.print()
        return None
    except KeyboardInterrupt:
        console.print()
        raise typer.Exit(INTERRUPTED) from None


def _print(answer: LiveAnswer, tokens: int, session: Session) -> None:
    """Ctrl-C ends it between two passes, after which session and conversation are whole."""
    try:
        with interrupts.held():
            answer.print(tokens, session.contexts)
    except KeyboardInterrupt:
        interrupts.forget()
    if answer.run.ended is Ended.CONTEXT:
        console.print(f"the answer ends because the context is full, {session.context} positions ({RESET} begins anew)")
