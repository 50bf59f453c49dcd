"""Stop texts, wherever they begin and end in the tokens."""

import pytest
from dojang.cli.answer import StopTexts, check_stop
from dojang.cli.options import UsageError
from hypothesis import given
from hypothesis import strategies as st


def shown(stops, *pieces):
    """What of the pieces is let through, each for itself, and whether a stop text was found."""
    texts = StopTexts(stops)
    return [texts.push(piece) for piece in pieces] + [texts.flush()], texts.found


@pytest.mark.parametrize("stops, pieces, expected, found", [
    ([], ("one", " two"), ["one", " two", ""], False),
    (["two"], ("one", " two", " three"), ["one", " ", "", ""], True),
    (["two"], ("one t", "w", "o three"), ["one ", "", "", ""], True),
    (["two"], ("one t", "w", "ice"), ["one ", "", "twice", ""], False),
    (["two"], ("one tw",), ["one ", "tw"], False),
    (["aab"], ("aa", "ab"), ["", "a", ""], True),
    (["abcd", "c"], ("ab", "c"), ["", "ab", ""], True),
    (["c", "abcd"], ("xabcd",), ["x", ""], True),
    (["\n\n"], ("a\n", "b\n", "\nc"), ["a", "\nb", "", ""], True),
    (["글"], ("한", "글"), ["한", "", ""], True),
])
def test_what_is_printed(stops, pieces, expected, found):
    assert shown(stops, *pieces) == (expected, found)


@given(st.lists(st.text("ab", max_size=4), max_size=6), st.lists(st.text("ab", min_size=1, max_size=3), max_size=3))
def test_as_if_the_text_were_searched_whole(pieces, stops):
    whole = "".join(pieces)
    printed, found = shown(stops, *pieces)
    assert found == any(stop in whole for stop in stops)
    if len(stops) == 1:
        assert "".join(printed) == whole.split(stops[0])[0]
    assert whole.startswith("".join(printed)) and not any(stop in "".join(printed) for stop in stops)


def test_an_empty_one_would_stop_at_once():
    with pytest.raises(UsageError, match="--stop '' is empty, expected a text"):
        check_stop(["a", ""])
    assert check_stop(None) == [] and check_stop(["a\udcff"]) == ["a\ufffd"]
