"""``dojang boards``: what boards there are, and what to expect of them."""

from collections import defaultdict

from rich.console import Console
from rich.table import Table

from ..errors import DojangError
from .boundary import working

MODELS = ("glassllm", "smollm2")


def boards():
    """List the boards: chips, memory, serial port, and expected tokens per second (predicted).

    Example: dojang boards
    """
    import_board_packages("boards")
    from dojang_fpga.boards import BOARDS
    from dojang_fpga.boards.projects import PROJECTS

    from ..prediction import efficiency

    table = Table("board", "chips (the first is the default)", "memory", "core clock", "serial port",
                  *(f"{model}, tokens/s" for model in MODELS), title="boards")
    sources = defaultdict(list)
    with working("reading the models") as progress:
        checkpoints = {model: _load(model) for model in MODELS}
        for board in BOARDS.values():
            progress(f"predicting {board.name}")
            useful = efficiency(board.name)
            sources[f"{useful.value:.0%} {useful.source}"].append(board.name)
            speeds = [_speed(checkpoint, board, useful) for checkpoint in checkpoints.values()]
            table.add_row(f"{board.name}: {board.title}", "\n".join(board.presets), describe_memory(board),
                          f"{board.clock_hz / 1e6:g} MHz", describe_link(board), *speeds)
    console = Console(highlight=False)
    console.print(table)
    console.print("tokens/s are predicted: bytes/s of the memory × useful part ÷ bytes a token needs; useful part: "
                  + "; ".join(f"{part} ({', '.join(names)})" for part, names in sources.items()))
    if missing := [model for model, checkpoint in checkpoints.items() if checkpoint is None]:
        console.print(f"not installed here: {', '.join(missing)}")
    console.print("projects that cannot be built here, only written (dojang build NAME): "
                  + ", ".join(f"{project.name} ({project.title})" for project in PROJECTS.values()))


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


def _speed(checkpoint, board, useful) -> str:
    from ..compile import CompileError
    from ..prediction import predict

    if checkpoint is None:
        return "–"
    try:
        return f"{predict(checkpoint, board.chip(), board.peak_bytes_per_s, useful).tokens_per_s:.1f}"
    except CompileError:
        return "does not fit"
