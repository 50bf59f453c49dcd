"""What `dojang generate` tells of a run: the JSON and the table."""

from collections.abc import Sequence
from itertools import chain

from rich.table import Table

from ..generation import Ended, all_match
from ..sessions import BoardSession, Session
from .answer import Answer
from .opening import Loaded, chip_of
from .options import Place

__all__ = ["figures", "table"]


def figures(model: Loaded, place: Place, session: Session, answers: Sequence[Answer], stop: Sequence[str], chat: bool,
            seconds: float) -> dict:
    """All that is written as JSON: of the last of the answers, and with ``chat`` of each."""
    runs, summary = [answer.run for answer in answers], session.summary()
    last = runs[-1]
    result = {
        "model": model.checkpoint.name, "set": model.set.name if model.set else None,
        "chip": chip_of(session, place).name, "backend": place.backend.value if place.port is None else "board",
        "context": session.context, "stop": list(stop),
        **_of_answer(answers[-1]),
        "turns": [_of_answer(answer) for answer in answers] if chat else [],
        "cycles": sum(run.cycles for run in runs),
        "dram_utilization": summary["dram_utilization"], "engine_utilization": summary["engine_utilization"],
        "golden_match": all_match([run.golden_match for run in runs]), "wall_seconds": seconds,
        "simulated_hz": summary["simulated_hz"], "saturated": summary["saturated"],
    }
    if isinstance(session, BoardSession):
        upload, decoding = session.upload, answers[-1].seconds
        result["board"] = {
            "label": "measured", "port": place.port, "clock_hz": session.clock_hz,
            "tokens_per_s": len(last.tokens) / decoding if last.tokens and decoding else None,
            "upload_seconds": upload.seconds, "image_bytes": upload.total, "upload_bytes": upload.sent,
            "link": summary["link"],
        }
    return result


def _of_answer(answer: Answer) -> dict:
    run = answer.run
    return {"prompt_tokens": run.prompt, "tokens": run.tokens, "text": answer.text, "ended": run.ended,
            "end_token": run.end_token, "prefill_cycles": run.prefill_cycles, "decode_cycles": run.decode_cycles,
            "dram_bytes": run.dram_bytes}


def table(result: dict, names: Sequence[str]) -> Table:
    """The figures of a run for people; ``names`` are the texts of the tokens."""
    turns = result["turns"] or [result]
    decode = list(chain.from_iterable(turn["decode_cycles"] for turn in turns))
    rows = Table("figure", "value", title=f"{result['model']} on {result['chip']} ({result['backend']})")
    match = {True: "yes, every logit of every position", False: "NO", None: "not compared"}[result["golden_match"]]
    rate = result["simulated_hz"]
    for name, value in (
        ("tokens: prompt + generated", f"{len(result['prompt_tokens'])} + {len(result['tokens'])}"),
        ("ended", _why(result, names)),
        ("cycles: prefill", f"{sum(turn['prefill_cycles'] for turn in turns):,}"),
        ("cycles: per generated token", f"{sum(decode) / len(decode):,.0f}" if decode else "–"),
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
    rate = board["tokens_per_s"]
    return [
        ("tokens per second, measured", "–" if rate is None else f"{rate:,.2f}"),
        ("image: bytes, of which sent", f"{board['image_bytes']:,}, {board['upload_bytes']:,}"),
        ("upload, measured", f"{board['upload_seconds']:.1f} s"),
    ]
