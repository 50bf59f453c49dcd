"""``dojang boards``: what boards there are, and what to expect of them."""

from collections import defaultdict

from rich.table import Table

from ..errors import DojangError
from ..prediction import FIGURES
from ..results import DOCUMENT, board_table, kept
from ..sessions import BOARD_CONTEXT
from .console import output, working
from .documents import update_document
from .output_file import JsonFile, prepare, write_json

MODELS = ("glassllm", "smollm2")


def boards(
    json_file: JsonFile = None,
):
    """List the boards: chips, memory, serial port, and what to expect of models.

    Example: dojang boards
    """
    prepare(json_file)
    import_board_packages("boards")
    from dojang_fpga.boards import BOARDS
    from dojang_fpga.boards.projects import PROJECTS

    from ..prediction import efficiency

    table = Table("board", "chips (the first is the default)", "memory", "core clock", "serial port",
                  *(f"{model}, tokens/s" for model in MODELS), title="boards")
    sources, ratios, figures = defaultdict(list), defaultdict(list), {}
    with working("reading the models") as progress:
        checkpoints = {model: _load(model) for model in MODELS}
        for board in BOARDS.values():
            useful = efficiency(board.name)
            sources[f"{useful.value:.0%} {useful.source}"].append(board.name)
            expected = {}
            for model, checkpoint in checkpoints.items():
                progress(f"predicting {model} on {board.name}")
                expected[model] = _expected(checkpoint, board, useful)
                if "image" in expected[model]:
                    ratios[model].append(expected[model]["image"]["image_per_file"])
            speeds = [expected[model].get("tokens_per_s", expected[model].get("not")) for model in MODELS]
            table.add_row(f"{board.name}: {board.title}", "\n".join(board.presets), describe_memory(board),
                          f"{board.clock_hz / 1e6:g} MHz", describe_link(board),
                          *(speed if isinstance(speed, str) else f"{speed:.1f}" for speed in speeds))
            figures[board.name] = {"chip": board.chip().name, "peak_bytes_per_s": board.peak_bytes_per_s,
                                   "models": expected}
    output.print(table)
    output.print("tokens/s are predicted: bytes/s of the memory × useful part ÷ bytes a token needs; useful part: "
                  + "; ".join(f"{part} ({', '.join(names)})" for part, names in sources.items()))
    if ratios:
        output.print(f"image that is uploaded, with {BOARD_CONTEXT} positions at most, measured: "
                      + ", ".join(f"{model} {max(values):.2f} times its file" for model, values in ratios.items()))
    if missing := [model for model, checkpoint in checkpoints.items() if checkpoint is None]:
        output.print(f"not installed here: {', '.join(missing)}")
    output.print("projects that cannot be built here, only written (dojang build NAME): "
                  + ", ".join(f"{project.name} ({project.title})" for project in PROJECTS.values()))
    if json_file is not None:
        write_json(json_file, figures)
        output.print(f"figures: {json_file}")
        if json_file == FIGURES / "boards.json":
            update_document(DOCUMENT, kept(figures), {"boards": board_table})


def import_board_packages(command: str) -> None:
    """`DojangError` unless what the boards need is installed."""
    try:
        import amaranth_boards  # noqa: F401
        import dojang_fpga.boards  # noqa: F401
    except ModuleNotFoundError as error:
        raise DojangError(f"dojang {command} needs the package {error.name}, which is not installed (pip install "
                          "'dojang[board]', or in a clone .venv/bin/pip install -e '.[board]')") from None


def describe_memory(board) -> str:
    kind = {"ddr3": "DDR3", "sdr": "SDR SDRAM"}[board.dram.kind]
    return f"{board.dram.mib} MiB {kind} x{board.dram.data_bits}, {board.peak_bytes_per_s / 1e6:,.0f} MB/s"


def describe_link(board) -> str:
    return f"{board.link.bridge}{', ' + board.link.note if board.link.note else ''}: {board.link.baud:,} baud"


def _load(model):
    from ..checkpoints import load

    try:
        return load(model, 8)
    except DojangError:
        return None


def _expected(checkpoint, board, useful) -> dict:
    """Prediction and size of the image; or why not, in a word."""
    from ..compile import CompileError
    from ..prediction import predict, travel

    if checkpoint is None:
        return {"not": "–"}
    try:
        prediction = predict(checkpoint, board.chip(), board.peak_bytes_per_s, useful)
        matrices = [matrix for _, matrix in checkpoint.matrices()]
        weights = sum(matrix.rows * matrix.cols for matrix in matrices)
        return {"tokens_per_s": prediction.tokens_per_s, "tokens_per_s_from": prediction.as_json(),
                "bits_per_weight": round(8 * sum(matrix.stored_bytes for matrix in matrices) / weights, 3),
                "image": travel(checkpoint, board.chip(), BOARD_CONTEXT).as_json()}
    except CompileError:
        return {"not": "does not fit"}
