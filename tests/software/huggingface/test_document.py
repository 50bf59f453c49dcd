"""The page's tables are the code's."""

from pathlib import Path

from dojang.checkpoints.huggingface.keys import document
from dojang.checkpoints.huggingface.rope import SCALINGS

PAGE = Path(__file__).parents[3] / "docs/reference/huggingface.md"


def test_the_page_is_up_to_date():
    page = PAGE.read_text(encoding="utf-8")
    _, _, rest = page.partition("made by dojang.checkpoints.huggingface.keys.document() -->\n")
    assert rest.partition("<!-- keys:end -->")[0] == document() + "\n"
    assert f"none, {', '.join(kind for kind in SCALINGS if kind != 'default')} (`su`)" in page
