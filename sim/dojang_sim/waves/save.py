"""Writes the GTKWave save file of a waveform."""

import shlex
from dataclasses import dataclass
from pathlib import Path

from dojang_hdl.config import ChipConfig
from vcd.gtkw import GTKWSave

from .formats import Filters
from .vcd import Header, read_header
from .views import Group, chip_groups

__all__ = ["SaveFile", "write_save"]

ZOOM = -4.5
"""About 60 clock cycles in a window, so that most floats find room in theirs."""


@dataclass(frozen=True)
class SaveFile:
    """A save file; ``missing`` are signals that the waveform does not have."""

    path: Path
    missing: tuple[str, ...]

    @property
    def command(self) -> str:
        """The shell command that opens it. GTKWave resolves the names inside relative to its own folder."""
        return f"(cd {shlex.quote(str(self.path.parent))} && gtkwave {shlex.quote(self.path.name)})"


def write_save(waveform: Path, config: ChipConfig) -> SaveFile:
    """Write ``NAME.gtkw`` and the folder ``NAME-filters`` beside the waveform ``NAME.vcd`` of a chip.

    All paths inside are relative, so the folder can be moved.
    """
    header = read_header(waveform)
    filters = Filters(waveform.with_name(f"{waveform.stem}-filters"))
    path = waveform.with_suffix(".gtkw")
    missing: list[str] = []
    with path.open("w", encoding="utf-8") as file:
        save = GTKWSave(file)
        save.dumpfile(waveform.name, abspath=False)
        save.timestart(header.start)
        save.zoom_markers(ZOOM)
        save.size(1500, 900)
        save.signals_width(260)
        save.sst_expanded(False)
        for group in chip_groups(config):
            _group(save, group, header, filters, missing)
    return SaveFile(path, tuple(missing))


def _group(save: GTKWSave, group: Group, header: Header, filters: Filters, missing: list[str]) -> None:
    with save.group(group.name, closed=group.closed):
        for path, signals in group.modules:
            for signal, shown in signals.items():
                name = f"{path}.{signal}"
                if name not in header.names:
                    missing.append(name)
                    continue
                save.trace(header.names[name], alias=_alias(signal), **filters.options(shown, header.widths[name]))
        for inner in group.groups:
            _group(save, inner, header, filters, missing)


def _alias(signal: str) -> str:
    """``request__payload.addr`` is shown as ``request addr``: GTKWave would show only what follows the last dot."""
    return signal.replace("__payload", "").replace("__", " ").replace(".", " ")
