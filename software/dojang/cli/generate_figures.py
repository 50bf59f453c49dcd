"""What `dojang generate` tells of a run: the JSON and the table."""

from collections import Counter
from collections.abc import Sequence
from itertools import chain

from rich.table import Table

from ..batching import Batch, Request
from ..generation import Continuation, Ended, all_match
from ..sessions import BoardSession, Session
from .answer import Answer, LiveAnswer
from .opening import Loaded, chip_of
from .options import Place

__all__ = ["figures", "figures_together", "table", "table_together"]


def figures(model: Loaded, place: Place, session: Session, answers: Sequence[LiveAnswer], stop: Sequence[str],
            chat: bool, seconds: float) -> dict:
    """All that is written as JSON: of the last of the answers, and with ``chat`` of each."""
    runs = [answer.run for answer in answers]
    result = {
        **_of_model(model, place, session, stop), **_of_answer(answers[-1]),
        "prefill_cycles": runs[-1].prefill_cycles,
        "turns": [_of_answer(answer) | {"prefill_cycles": answer.run.prefill_cycles} for answer in answers] if chat else
                 [],
        "cycles": sum(run.cycles for run in runs), **_of_session(session, runs, seconds),
    }
    if isinstance(session, BoardSession):
        last, decoding = runs[-1], answers[-1].seconds
        result["board"] = _of_board(session, place) | {
            "tokens_per_s": len(last.tokens) / decoding if last.tokens and decoding else None}
    return result


def figures_together(model: Loaded, place: Place, session: Session, scheduler: Batch,
                     answers: Sequence[Answer[Request]], stop: Sequence[str], seconds: float) -> dict:
    """All that is written as JSON of answers that have shared passes: figures of a pass are of all who shared it."""
    runs = [answer.run for answer in answers]
    result = {
        **_of_model(model, place, session, stop),
        "answers": [_of_answer(answer) | {"passes": answer.run.passes} for answer in answers],
        "passes": scheduler.passes, "contexts": session.contexts, "cycles": scheduler.cycles,
        **_of_session(session, runs, seconds),
    }
    return result | ({"board": _of_board(session, place)} if isinstance(session, BoardSession) else {})


def _of_model(model: Loaded, place: Place, session: Session, stop: Sequence[str]) -> dict:
    return {"model": model.checkpoint.name, "set": model.set.name if model.set else None,
            "chip": chip_of(session, place).name, "backend": place.backend.value if place.port is None else "board",
            "context": session.context, "stop": list(stop)}


def _of_session(session: Session, runs: Sequence[Continuation], seconds: float) -> dict:
    summary = session.summary()
    return {"dram_utilization": summary["dram_utilization"], "engine_utilization": summary["engine_utilization"],
            "golden_match": all_match([run.golden_match for run in runs]), "wall_seconds": seconds,
            "simulated_hz": summary["simulated_hz"], "saturated": summary["saturated"]}


def _of_board(session: BoardSession, place: Place) -> dict:
    upload = session.upload
    return {"label": "measured", "port": place.port, "clock_hz": session.clock_hz, "upload_seconds": upload.seconds,
            "image_bytes": upload.total, "upload_bytes": upload.sent, "link": session.summary()["link"]}


def _of_answer(answer: Answer) -> dict:
    run = answer.run
    return {"prompt_tokens": run.prompt, "tokens": run.tokens, "text": answer.text, "ended": run.ended,
            "end_token": run.end_token, "decode_cycles": run.decode_cycles, "dram_bytes": run.dram_bytes}


def table_together(result: dict) -> Table:
    """The figures of answers that have shared passes, for people."""
    answers = result["answers"]
    processed = sum(len(answer["prompt_tokens"]) + len(answer["tokens"]) for answer in answers)
    ends = Counter(str(answer["ended"]) for answer in answers)
    return _table(result, (
        ("tokens: prompts + generated", f"{sum(len(answer['prompt_tokens']) for answer in answers)} + "
                                        f"{sum(len(answer['tokens']) for answer in answers)}, {len(answers)} answers"),
        ("ended", ", ".join(f"{count} {why}" for why, count in ends.items())),
        ("passes over the weights", f"{result['passes']}, of up to {result['contexts']} tokens"),
        ("tokens a pass", f"{processed / result['passes']:.1f}" if result["passes"] else "–"),
        ("cycles a pass", f"{result['cycles'] / result['passes']:,.0f}" if result["passes"] else "–"),
    ))


def table(result: dict, names: Sequence[str]) -> Table:
    """The figures of a run for people; ``names`` are the texts of the tokens."""
    turns = result["turns"] or [result]
    decode = list(chain.from_iterable(turn["decode_cycles"] for turn in turns))
    return _table(result, (
        ("tokens: prompt + generated", f"{len(result['prompt_tokens'])} + {len(result['tokens'])}"),
        ("ended", _why(result, names)),
        ("cycles: prefill", f"{sum(turn['prefill_cycles'] for turn in turns):,}"),
        ("cycles: per generated token", f"{sum(decode) / len(decode):,.0f}" if decode else "–"),
    ))


def _table(result: dict, first: Sequence[tuple[str, str]]) -> Table:
    """With what is the same for one answer and for several behind ``first``."""
    rows = Table("figure", "value", title=f"{result['model']} on {result['chip']} ({result['backend']})")
    match = {True: "yes, every logit of every position", False: "NO", None: "not compared"}[result["golden_match"]]
    rate = result["simulated_hz"]
    for name, value in (
        *first,
        ("DRAM utilisation (decode)", _share(result["dram_utilization"])),
        ("engine utilisation (decode)", _share(result["engine_utilization"])),
        ("equal to the golden model", match),
        ("simulated cycles per second", "–" if rate is None else f"{rate:,.0f}"),
        *(_board_rows(result["board"]) if "board" in result else ()),
        ("wall time", f"{result['wall_seconds']:.1f} s"),
    ):
        rows.add_row(name, value)
    return rows


def _why(result: dict, names: Sequence[str]) -> str:
    token = result["end_token"]
    return {
        Ended.END_TOKEN: f"end token {token}" + (f" ({names[token]})" if token is not None and token < len(names)
                                                 else ""),
        Ended.TOKENS: f"tokens: all {len(result['tokens'])} asked for",
        Ended.CONTEXT: f"context: all {result['context']} positions are in use",
        Ended.STOP_TEXT: f"stop text: one of {', '.join(map(repr, result['stop']))}",
        Ended.INTERRUPT: "interrupt: Ctrl-C",
    }[result["ended"]]


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def _board_rows(board: dict) -> list[tuple[str, str]]:
    rate = board.get("tokens_per_s")
    return [
        *([] if "tokens_per_s" not in board else
          [("tokens per second, measured", "–" if rate is None else f"{rate:,.2f}")]),
        ("image: bytes, of which sent", f"{board['image_bytes']:,}, {board['upload_bytes']:,}"),
        ("upload, measured", f"{board['upload_seconds']:.1f} s"),
    ]
