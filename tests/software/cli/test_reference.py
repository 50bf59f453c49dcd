"""The tables that are made from the code are those of the code."""

from pathlib import Path

import pytest
import typer
from dojang.cli import app
from dojang.cli.reference import TABLES, option_tables

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("name", TABLES)
def test_the_documents_are_up_to_date(name):
    """Otherwise: python -m dojang.cli.reference."""
    page, make = TABLES[name]
    text = (ROOT / page).read_text(encoding="utf-8")
    found = text.partition(f"<!-- {name}:begin")[2].partition("-->\n")[2].partition(f"\n<!-- {name}:end -->")[0]
    assert found == make()


def commands(group, prefix):
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{prefix} {name}")
        else:
            yield f"{prefix} {name}", command


def test_every_command_and_option_is_there():
    """As the library sees them, which the tables are not made from."""
    tables = {part.partition("\n")[0]: part for part in option_tables().split("### ")[1:]}
    found = dict(commands(typer.main.get_command(app), "dojang"))
    assert set(tables) == set(found) and len(found) > 15
    for name, command in found.items():
        options = {each for parameter in command.params if parameter.param_type_name == "option"
                   for each in (*parameter.opts, *parameter.secondary_opts)} - {"--help"}
        rows = [line for line in tables[name].splitlines() if line.startswith("| `")]
        assert {word for row in rows for word in row.split("`")[1].replace("/", " ").split()
                if word.startswith("--")} == options
        assert len(rows) == len([each for each in command.params if "--help" not in each.opts])
