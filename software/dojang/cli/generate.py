"""``dojang generate``: text from a model on a chip."""

import time
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from ..batching import Batch, Request
from ..generation import Conversation, Ended, PromptError, check_prompt
from ..interrupts import INTERRUPTED, interrupts
from ..sampling import Sampler
from ..sessions import Memory, Session, whole_tiles
from . import options
from .answer import Answer, LiveAnswer, check_stop
from .console import console
from .generate_figures import figures, figures_together, table, table_together
from .opening import Loaded
from .options import Backend, Place, UsageError, text_of
from .output_file import JsonFile, prepare, write_json
from .prompts import Chat, read_prompt
from .together import Together
from .waves import write_save_file


def generate(
    model: options.Model,
    prompt: Annotated[list[str] | None, typer.Option(
        metavar="TEXT", help="Text to continue; several times for several, which share passes over the weights."
    )] = None,
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
    if [not prompt, prompt_file is None, not chat].count(False) != 1:
        raise UsageError("give one of --prompt, --prompt-file and --chat")
    if not chat and (system is not None or raw):
        raise UsageError("--system and --raw need --chat")
    texts = [text_of(text) for text in chat or prompt or ()] or [read_prompt(prompt_file or "-")]
    system = text_of(system) if system is not None else None

    loaded = Loaded(model, weights, scale_set)
    tokenizer, shape = loaded.tokenizer, loaded.checkpoint.shape
    for text in (*texts, *([system] if system else ())):
        loaded.tell(tokenizer.dropped(text))
    asked = Chat(tokenizer, system, raw)
    prompts = [asked.ask(texts[0])] if chat else [tokenizer.encode(text) for text in texts]
    for ids in prompts:
        check_prompt(ids, shape)
    several = len(prompts) > 1
    needed = asked.longest(texts, tokens) if chat else max(map(len, prompts)) + tokens
    reserved, refused = place.context(context, needed, shape.context), None
    rows = sum(whole_tiles(min(reserved, len(ids) + tokens)) for ids in prompts) if several else None
    with loaded.open(place, reserved, rows) as session:
        told = loaded, place, session
        if several:
            scheduler = Batch(session)
            shared = [Answer(Request(ids, options.sampler(temperature, top_p, seed), tokenizer.eos_ids, tokens),
                             tokenizer, stops, begins=False) for ids in prompts]
            Together(scheduler, texts, shared).run()
            runs = [answer.run for answer in shared]
            report = partial(figures_together, *told, scheduler, shared, stops)
        else:
            answers, refused = _in_turn(session, loaded, asked if chat else None, texts, prompts[0], chosen, stops,
                                        tokens)
            runs = [answer.run for answer in answers]
            report = partial(figures, *told, answers, stops, bool(chat))
        with interrupts.held():
            result = report(time.perf_counter() - started)
            loaded.tell_of(session)
            session.close()
            write_json(json_file, result)
            _report(loaded, result)
            if waves is not None:
                console.print(f"waveform of the first {wave_cycles:,} cycles: {write_save_file(waves, place.chip)}")
    if refused:
        raise refused
    if Ended.INTERRUPT in [run.ended for run in runs]:
        console.print("stopped by Ctrl-C")
        raise typer.Exit(INTERRUPTED)


def _in_turn(session: Session, model: Loaded, asked: Chat | None, texts: list[str], ids: list[int], chosen: Sampler,
             stops: list[str], tokens: int) -> tuple[list[LiveAnswer], PromptError | None]:
    """Answers to ``texts``, the first of which are the tokens ``ids``, one after the other; why that ended early."""
    conversation, answers = Conversation(session), []
    for number, text in enumerate(texts):
        if number and asked is not None:
            asked.answered(answers[-1].text)
            ids = asked.ask(text)
        try:
            check_prompt(ids, model.checkpoint.shape, session.context)
        except PromptError as error:
            if not answers:
                raise
            return answers, error  # what was answered before is kept
        print("\n" * bool(number), end="")
        run = conversation.generation(ids, chosen, model.tokenizer.eos_ids)
        answers.append(LiveAnswer(run, model.tokenizer, stops, begins=asked is not None))
        answers[-1].print(tokens, session.contexts)
        if answers[-1].run.ended is Ended.INTERRUPT:
            break
    return answers, None


def _report(model: Loaded, result: dict) -> None:
    if "answers" in result:
        console.print(table_together(result))
        return
    console.print(table(result, model.checkpoint.tokenizer.tokens))
    if result["ended"] is Ended.CONTEXT:
        console.print(f"the text ends because the context is full, {result['context']} positions")
