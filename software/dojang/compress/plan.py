"""What is asked of every matrix of a model: options by tensor, recipes, and the checks of both."""

from dataclasses import asdict, dataclass, field, fields, replace
from fnmatch import fnmatchcase
from typing import Any

from dojang_hdl.isa import Code
from dojang_hdl.window_code import CODES

from ..checkpoints.form import BLOCK, RANGE, TURN, Form
from .errors import CompressError
from .recipe import GROUPS, METHODS, MatrixRecipe

__all__ = ["RECIPES", "Options", "Plan", "Rule", "matches", "parse_bits", "parse_group", "parse_rule"]

CODE_NAMES = {window.name.lower(): code for code, window in CODES.items()}
SENSITIVE = "sensitive"
"""As a pattern of a rule: the layers that `dojang.compress.sensitivity` finds."""


@dataclass(frozen=True)
class Options:
    """What is asked of a matrix.

    Parameters
    ----------
    bits: 1 to 8, or a window code.
    group: columns that share a scale: 32, 64, 128, ``"row"``, or None for what suits (a row where a window code is
        rotated, else 128 if these divide the columns and the engine's sums have room, else 64).
    method: ``"rtn"``, ``"gptq"``, ``"trellis"``, ``"bcq"`` or None (trellis for window codes, else gptq).
    rotate: store the matrix times a Walsh-Hadamard transform of 64 columns, which the chip applies to the input too.
    sparsity, prune: share of weights that become zero, and how they are chosen.
    keep: leave the matrix as it is; the others do not count then.
    """

    bits: int | Code = Code.X3
    group: int | str | None = None
    method: str | None = None
    rotate: bool = True
    sparsity: float = 0.0
    prune: str | None = None
    keep: bool = False

    def recipe(self, cols: int) -> MatrixRecipe:
        """For a matrix of ``cols`` columns; raises `CompressError` for a contradiction."""
        coded = isinstance(self.bits, Code)
        method = self.method or ("trellis" if coded else "gptq")
        group = self.group
        if group is None:
            whole = cols % (2 * TURN) == 0 and (coded or self.bits < 8)
            group = "row" if coded and self.rotate else 2 * TURN if whole else TURN
        recipe = MatrixRecipe(self.bits, group, method, self.sparsity, self.prune)
        if self.rotate and group == BLOCK:
            raise CompressError(f"groups of {BLOCK} columns cannot be rotated, which takes {TURN}; expected groups of "
                                f"{TURN} or {2 * TURN}, row, or no rotation")
        if method == "bcq" and group == "row":
            raise CompressError("method bcq has a scale for each plane and group, expected groups of 32, 64 or 128")
        self.engine_group(cols, recipe)
        return recipe

    def engine_group(self, cols: int, recipe: MatrixRecipe) -> int:
        """Columns that share an exponent on the chip."""
        largest = _integers(recipe).largest
        if recipe.group != "row":
            group = int(recipe.group)
            if largest * group > RANGE:
                raise CompressError(f"{recipe.bits} bits in groups of {group} are beyond the engine's sums, expected "
                                    f"groups of {RANGE // largest} at most")
            return group
        fit = [group for group in (4 * BLOCK, 2 * BLOCK, BLOCK)
               if largest * group <= RANGE and not (self.rotate and group < TURN)]
        return min(fit, key=lambda group: -(-cols // group) * group)

    def form(self, cols: int) -> Form:
        """How the matrix is stored."""
        recipe = self.recipe(cols)
        return replace(_integers(recipe), group=self.engine_group(cols, recipe), row_scale=recipe.group == "row",
                       rotated=self.rotate)

    def __str__(self) -> str:
        bits = CODES[self.bits].name if isinstance(self.bits, Code) else f"{self.bits} bits"
        words = [bits] + ([f"{self.sparsity:.0%} zeros"] if self.sparsity else [])
        words += ["a scale a row" if self.group == "row" else f"groups of {self.group}"] if self.group else []
        return ", ".join(words + (["rotated"] if self.rotate else []))


def _integers(recipe: MatrixRecipe) -> Form:
    """What the scales multiply."""
    if recipe.code in CODES:
        window = CODES[recipe.code]
        return Form(window.planes, code=recipe.code, double=True, zero=-window.maximum)
    bits = int(recipe.bits)
    if recipe.method == "bcq":
        return Form(1, double=True, zero=-1, terms=bits)
    return Form(bits, signed=not recipe.odd, double=recipe.odd, zero=1 - (1 << bits) if recipe.odd else 0)


@dataclass(frozen=True)
class Rule:
    """Options of the tensors a pattern matches.

    Parameters
    ----------
    pattern: see `matches`.
    changes: fields of `Options`.
    """

    pattern: str
    changes: dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """Options of every tensor: `options`, changed by each rule that matches, in order.

    Parameters
    ----------
    options: of all matrices of the layers.
    rules: see above. Embedding and head are kept unless a rule without ``*`` names them.
    seed: of the rotations' signs.
    """

    options: Options = field(default_factory=Options)
    rules: tuple[Rule, ...] = ()
    seed: int = 0

    def of(self, name: str, sensitive: frozenset[int] = frozenset()) -> Options:
        """Options of the tensor ``name``; ``sensitive``: layers that the pattern of that name means."""
        options = self.options if name.startswith("blk.") else replace(self.options, keep=True)
        for rule in self.rules:
            if rule.pattern == SENSITIVE:
                hit = name.startswith("blk.") and int(name.split(".")[1]) in sensitive
            else:
                hit = matches(rule.pattern, name) and (name.startswith("blk.") or "*" not in rule.pattern)
            if hit:
                options = replace(options, **{"keep": False, **rule.changes})
        return options

    @property
    def asks_sensitive(self) -> bool:
        return any(rule.pattern == SENSITIVE for rule in self.rules)

    def as_json(self) -> dict:
        """All of it, for the container and for what an interrupted run is known by."""
        return {"options": _named(asdict(self.options)), "seed": self.seed,
                "rules": [{"pattern": rule.pattern, **_named(rule.changes)} for rule in self.rules]}


RECIPES = {
    "4": Plan(Options(4)),
    "3": Plan(Options(Code.X3)),
    "2.5": Plan(Options(Code.X2_5)),
    "2": Plan(Options(Code.X2), (Rule("attn_v", {"bits": Code.X4}), Rule(SENSITIVE, {"bits": Code.X4}))),
}
"""By the name that ``--recipe`` takes."""


def matches(pattern: str, name: str) -> bool:
    """Whether a pattern of the shell's kind matches a tensor's name, that without ``.weight``, or its kind."""
    stem = name.removesuffix(".weight")
    return any(fnmatchcase(each, pattern) for each in (name, stem, stem.rpartition(".")[2]))


def parse_bits(text: str) -> int | Code:
    """``"1"`` to ``"8"``, ``"x2"``, ``"x2.5"``, ``"x3"``, ``"x4"``."""
    if text.lower() in CODE_NAMES:
        return CODE_NAMES[text.lower()]
    if text.isdecimal() and 1 <= int(text) <= 8:
        return int(text)
    raise CompressError(f"bits is {text!r}, expected 1 to 8, {', '.join(CODE_NAMES)}")


def parse_group(text: str) -> int | str:
    """``"row"``, ``"32"``, ``"64"`` or ``"128"``."""
    for group in GROUPS:
        if text == str(group):
            return group
    raise CompressError(f"group is {text!r}, expected {', '.join(map(str, GROUPS))}")


def _parse_flag(text: str) -> bool:
    if text not in ("yes", "no"):
        raise CompressError(f"rotate and keep are yes or no, not {text!r}")
    return text == "yes"


def _parse_share(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise CompressError(f"sparsity is {text!r}, expected a number") from None


def _parse_method(text: str) -> str:
    if text not in METHODS:
        raise CompressError(f"method is {text!r}, expected {', '.join(METHODS)}")
    return text


PARSERS = {"bits": parse_bits, "group": parse_group, "method": _parse_method, "rotate": _parse_flag,
           "sparsity": _parse_share, "prune": str, "keep": _parse_flag}
assert list(PARSERS) == [each.name for each in fields(Options)]


def parse_rule(text: str) -> Rule:
    """``"attn_v:bits=x4,group=row"``."""
    pattern, colon, rest = text.rpartition(":")
    if not colon or not pattern:
        raise CompressError(f"{text!r} is no rule, expected PATTERN:OPTION=VALUE, such as attn_v:bits=x4")
    changes = {}
    for item in rest.split(","):
        name, equals, value = item.partition("=")
        if not equals or name not in PARSERS:
            raise CompressError(f"{item!r} in the rule {text!r} is none of {', '.join(f'{n}=…' for n in PARSERS)}")
        changes[name] = PARSERS[name](value)
    return Rule(pattern, changes)


def _named(values: dict) -> dict:
    return {name: CODES[value].name.lower() if isinstance(value, Code) else value for name, value in values.items()}
