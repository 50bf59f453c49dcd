"""The page about tokenizers has what the code's tables have."""

from pathlib import Path

from dojang.tokenizer.document import document

PAGE = Path(__file__).parents[3] / "docs/reference/tokenizers.md"


def test_page_equals_the_tables():
    _, _, rest = PAGE.read_text(encoding="utf-8").partition("made by dojang.tokenizer.document.document() -->\n")
    assert rest.partition("<!-- tables:end -->")[0] == document() + "\n"
