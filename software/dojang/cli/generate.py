"""``dojang generate``: text from a model on a chip."""

import time
from pathlib import Path
from typing import Annotated

import typer

from ..generation import Conversation, Ended, PromptError, check_prompt
from ..interrupts import INTERRUPTED, interrupts
from ..sessions import Memory
from . import options
from .answer import Answer, check_stop
from .console import console
from .generate_figures import figures, table
from .opening import Loaded
from .options import Backend, Place, UsageError, text_of
from .output_file import JsonFile, prepare, write_json
from .prompts import Chat, read_prompt
from .waves import write_save_file


def generate(
    model: options.Model,
    prompt: Annotated[str | None, typer.Option(metavar="TEXT", help="Text to continue.")] = None,
    prompt_file: Annotated[str | None, typer.Option(
        metavar="FILE|-", help="Text to continue, from a file or standard input.")] = None,
    chat: Annotated[list[str] | None, typer.Option(
        metavar="TEXT", help="Message to answer, by the model's chat template; several times for several, each put "
                             "when the one before has been answered.")] = None,
    system: options.System = None,
    raw: options.Raw = False,
    tokens: options.Tokens = 32,
    stop: options.Stop = None,
    context: options.Context = None,
    chip: options.Chip = None,
    board: options.Board = None,
    baud: options.Baud = None,
    rtscts: options.Rtscts = False,
    link_timeout: options.LinkTimeout = None,
    compare_golden: Annotated[bool, typer.Option(
        "--compare-golden", help="On a board: read all logits and compare them with the golden model's.")] = False,
    backend: options.BackendOption = None,
    memory: options.MemoryOption = Memory.LPDDR4,
    waves: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a waveform (slow, large).")] = None,
    wave_cycles: Annotated[int, typer.Option(min=1, help="Clock cycles of the waveform.")] = 20_000,
    json_file: JsonFile = None,
    weights: options.Weights = 8,
    scale_set: options.Set = None,
    temperature: options.Temperature = None,
    top_p: options.TopP = None,
    seed: options.Seed = None,
):
    """Generate text; it goes to standard output as it comes, everything else to standard error.

    Example: dojang generate smollm2 --chat "What is the capital of France?" --board /dev/ttyUSB0
    """
    started = time.perf_counter()
    inputs = [path for path in (model, prompt_file, scale_set) if path]
    prepare(json_file, *inputs)
    prepare(waves, *inputs)
    place = Place.of(backend, Backend.RTL, chip, memory, board, baud, rtscts, link_timeout, compare_golden, waves,
                     wave_cycles)
    chosen, stops = options.sampler(temperature, top_p, seed), check_stop(stop)
    if [prompt is None, prompt_file is None, not chat].count(False) != 1:
        raise UsageError("give one of --prompt, --prompt-file and --chat")
    if not chat and (system is not None or raw):
        raise UsageError("--system and --raw need --chat")
    texts = [text_of(text) for text in chat or (prompt,) if text is not None] or [read_prompt(prompt_file or "-")]
    system = text_of(system) if system is not None else None

    loaded = Loaded(model, weights, scale_set)
    tokenizer, shape = loaded.tokenizer, loaded.checkpoint.shape
    for text in (*texts, *([system] if system else ())):
        loaded.tell(tokenizer.dropped(text))
    asked = Chat(tokenizer, system, raw)
    ids = asked.ask(texts[0]) if chat else tokenizer.encode(texts[0])
    check_prompt(ids, shape)
    needed = asked.longest(texts, tokens) if chat else len(ids) + tokens
    reserved = place.context(context, needed, shape.context)
    answers: list[Answer] = []
    refused: PromptError | None = None
    with loaded.open(place, reserved) as session:
        conversation = Conversation(session)
        for number, text in enumerate(texts):
            if number:
                asked.answered(answers[-1].text)
                ids = asked.ask(text)
            try:
                check_prompt(ids, shape, session.context)
            except PromptError as error:  # what was answered before is kept
                refused = error
                break
            print("\n" * bool(number), end="")
            run = conversation.generation(ids, chosen, tokenizer.eos_ids)
            answers.append(Answer(run, tokenizer, stops, begins=bool(chat)))
            answers[-1].print(tokens, session.contexts)
            if answers[-1].run.ended is Ended.INTERRUPT:
                break
        if refused and not answers:
            raise refused
        with interrupts.held():
            result = figures(loaded, place, session, answers, stops, bool(chat), time.perf_counter() - started)
            loaded.tell_of(session)
            session.close()
            write_json(json_file, result)
            _report(loaded, result)
            if waves is not None:
                console.print(f"waveform of the first {wave_cycles:,} cycles: {write_save_file(waves, place.chip)}")
    if refused:
        raise refused
    if answers[-1].run.ended is Ended.INTERRUPT:
        console.print("stopped by Ctrl-C")
        raise typer.Exit(INTERRUPTED)


def _report(model: Loaded, result: dict) -> None:
    console.print(table(result, model.checkpoint.tokenizer.tokens))
    if result["ended"] is Ended.CONTEXT:
        console.print(f"the text ends because the context is full, {result['context']} positions")
