"""Pictures: the same for the same figures, with everything that they are to show."""

import importlib.util
import json
import re
from pathlib import Path

import pytest
from dojang.lockstep import Block, simulate
from dojang.plots import EXL3, PlotError, digest, draw_lockstep, draw_quality

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def lockstep():
    figures = simulate([4, 8, 1024], [0.5, 0.95], [Block(32, 32), Block(1, 32)], 2048, 0)
    real = [{**curve, "mask": "a-model"} for curve in figures["curves"]]
    return {**figures, "model": "a-model", "curves": figures["curves"] + real}


def quality():
    return {"base": {"name": "base", "lee": 37.4, "pydoc": 19.5},
            "rows": [{"name": name, "bits_per_weight": bits, "bytes_per_token": bytes_, "lee": lee, "pydoc": pydoc,
                      "tuned": tuned, "label": "measured"}
                     for name, bits, bytes_, lee, pydoc, tuned in (
                         ("X2", 2.02, 57_000_000, 89.3, 33.8, False), ("X3", 3.02, 70_100_000, 46.9, 21.6, False),
                         ("X3", 3.02, 70_100_000, 43.7, 20.2, True))]}


def texts(path):
    return re.findall(r"<text[^>]*>([^<]*)</text>", path.read_text())


def test_lockstep_shows_its_curves(lockstep, tmp_path):
    draw_lockstep(lockstep, tmp_path / "a.svg")
    shown = texts(tmp_path / "a.svg")
    for text in ("blocks of 32 × 32 weights", "blocks of 1 × 32 weights", "S = 0.5", "S = 0.95", "random mask",
                 "fixed-rate code: 1", "1,024", "time ÷ time at the fixed rate (simulated)"):
        assert text in shown
    assert "a-model," in (tmp_path / "a.svg").read_text()


def test_quality_shows_rows_base_and_the_published_curve(tmp_path):
    draw_quality(quality(), tmp_path / "a.svg")
    shown = texts(tmp_path / "a.svg")
    for text in ("text: lee (base 37.4)", "text: pydoc (base 19.5)", "all-in bits a weight", "perplexity",
                 "EXL3 on a 1B model, published: its ÷ base times this base", "as compressed (measured)",
                 "scales tuned (measured)"):
        assert text in shown
    listing = re.sub(r"<[^>]*>", "\n", (tmp_path / "a.svg").read_text())
    for line in ("1  X3: 3.02 bits, 70.1 MB a token", "2  X3, scales tuned: 3.02 bits, 70.1 MB a token",
                 "3  X2: 2.02 bits, 57.0 MB a token"):
        assert line in listing


def test_points_are_where_the_figures_say(tmp_path, monkeypatch):
    from matplotlib.axes import Axes

    drawn, plot = [], Axes.plot

    def spy(axes, x, y, *args, **kwargs):
        drawn.append((list(x), list(y)))
        return plot(axes, x, y, *args, **kwargs)

    monkeypatch.setattr(Axes, "plot", spy)
    draw_quality(quality(), tmp_path / "a.svg")
    lee, tuned, published, *pydoc = drawn
    assert lee == ([3.02, 2.02], [46.9, 89.3]) and tuned == ([3.02], [43.7])
    assert published == (list(EXL3), [37.4 * 1.02, 37.4 * 1.084, 37.4 * 1.26, 37.4 * 1.64])
    assert pydoc[:2] == [([3.02, 2.02], [21.6, 33.8]), ([3.02], [20.2])]


def test_a_picture_is_the_same_every_time(lockstep, tmp_path):
    for draw, figures in ((draw_lockstep, lockstep), (draw_quality, quality())):
        draw(figures, tmp_path / "a.svg")
        draw(figures, tmp_path / "b.svg")
        picture = (tmp_path / "a.svg").read_bytes()
        assert picture == (tmp_path / "b.svg").read_bytes()
        assert digest(figures).encode() in picture and b"<dc:date>" not in picture


@pytest.mark.parametrize("change, message", [
    (lambda figures: figures.pop("base"), "lack 'base' or 'rows'"),
    (lambda figures: figures["rows"].clear(), "lack 'base' or 'rows'"),
    (lambda figures: figures["rows"][0].pop("lee"), "lee=None for X2, expected a number above 0"),
    (lambda figures: figures["base"].update(pydoc="much"), "pydoc='much' for base"),
    (lambda figures: figures["rows"][1].update(pydoc=float("nan")), "pydoc=nan for X3"),
    (lambda figures: figures["rows"].append(3), "lack 'base' or 'rows'"),
])
def test_figures_that_cannot_be_drawn(change, message, tmp_path):
    figures = quality()
    change(figures)
    with pytest.raises(PlotError, match=re.escape(message)):
        draw_quality(figures, tmp_path / "a.svg")


def test_without_matplotlib(lockstep, tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(PlotError, match=r"needs matplotlib, which is not installed \(pip install 'dojang\[plots\]'"):
        draw_lockstep(lockstep, tmp_path / "a.svg")


def test_a_folder_that_is_missing(lockstep, tmp_path):
    with pytest.raises(PlotError, match=r"cannot write .*a\.svg: No such file or directory"):
        draw_lockstep(lockstep, tmp_path / "none" / "a.svg")


def test_the_kept_picture_is_of_the_kept_figures():
    figures = json.loads((ROOT / "docs/figures/lockstep.json").read_text())
    assert digest(figures) in (ROOT / "docs/overview/lockstep.svg").read_text()
