"""How a value is shown: in a number base, by the name of a code, or as floats."""

import os
import re
import shutil
from dataclasses import dataclass
from enum import EnumMeta
from pathlib import Path

from amaranth.hdl import Elaboratable, Fragment
from vcd.gtkw import make_translation_filter

__all__ = ["DECIMAL", "FP16", "FP32", "HEX", "SIGNED", "Base", "Codes", "Filters", "Floats", "codes_of", "fsm_states"]


@dataclass(frozen=True)
class Base:
    """A number in GTKWave's own format ``name``."""

    name: str


@dataclass(frozen=True)
class Floats:
    """One or more IEEE floats of ``bits`` each, the one in the lowest bits first."""

    bits: int


@dataclass(frozen=True)
class Codes:
    """Values with names."""

    name: str
    table: tuple[tuple[int, str], ...]


HEX, DECIMAL, SIGNED, FP16, FP32 = Base("hex"), Base("dec"), Base("signed"), Floats(16), Floats(32)


def codes_of(source: type) -> Codes:
    """The members of an enumeration, or the constants in capitals of a plain class."""
    if isinstance(source, EnumMeta):
        pairs = [(member.value, member.name) for member in source]
    else:
        pairs = [(value, name) for name, value in vars(source).items() if name.isupper() and name != "COUNT"]
    return Codes(source.__name__, tuple(sorted(pairs)))


def fsm_states(component: Elaboratable, name: str = "fsm") -> Codes:
    """The states of the FSM ``name`` of a component, from the FSM itself."""
    fsm = Fragment.get(component, None).find_generated(name)
    return Codes(f"{type(component).__name__}_{name}", tuple((code, state) for state, code in fsm.encoding.items()))


class Filters:
    """The translation files and programs beside a save file; each is written when it is first asked for."""

    def __init__(self, folder: Path):
        self._folder = folder
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)

    def options(self, shown: Base | Floats | Codes, width: int) -> dict[str, str]:
        """Arguments for `vcd.gtkw.GTKWSave.trace`; paths are relative to the save file."""
        match shown:
            case Base(name):
                return {"datafmt": name if width > 1 else "bin"}
            case Codes(name, table):
                file = self._folder / f"{re.sub('[^A-Za-z0-9_]', '_', name)}_{width}.txt"
                fitting = [(code, text) for code, text in table if code < 1 << width]
                file.write_text(make_translation_filter(fitting, "hex", width) + "\n", encoding="utf-8")
                return {"datafmt": "hex", "translate_filter_file": f"{self._folder.name}/{file.name}"}
            case Floats(bits):
                file = self._folder / f"fp{bits}"
                if not file.exists():
                    shutil.copyfile(Path(__file__).with_name("float_filter.py"), file)
                    os.chmod(file, 0o755)
                return {"datafmt": "hex", "translate_filter_proc": f"{self._folder.name}/{file.name}"}
