"""Options by tensor, recipes, and the sentences about contradictions."""

from dataclasses import replace

import pytest
from dojang.checkpoints import Form
from dojang.compress.errors import CompressError
from dojang.compress.plan import RECIPES, Options, Plan, Rule, matches, parse_bits, parse_group, parse_rule
from dojang_hdl.isa import Code

V = "blk.3.attn_v.weight"


@pytest.mark.parametrize("pattern, hit", [
    ("attn_v", True), ("blk.3.*", True), ("*attn*", True), (V, True), ("blk.3.attn_v", True), ("attn_*", True),
    ("attn", False), ("blk.1.*", False), ("3", False)])
def test_patterns(pattern, hit):
    assert matches(pattern, V) is hit


def test_later_rules_win_and_undo_keep():
    plan = Plan(Options(Code.X2), (Rule("blk.3.*", {"keep": True}), Rule("attn_v", {"bits": Code.X4}),
                                   Rule("attn_v", {"rotate": False})))
    assert plan.of(V) == Options(Code.X4, rotate=False)
    assert plan.of("blk.3.attn_k.weight") == Options(Code.X2, keep=True)
    assert plan.of("blk.2.attn_k.weight") == Options(Code.X2)


def test_embedding_and_head_are_kept_unless_named():
    everything = Rule("*", {"bits": 4})
    for name in ("token_embd.weight", "output.weight"):
        assert Plan(rules=(everything,)).of(name).keep
    assert not Plan(rules=(Rule("output", {"bits": 4}),)).of("output.weight").keep


def test_sensitive_layers():
    plan = RECIPES["2"]
    assert plan.asks_sensitive and not RECIPES["3"].asks_sensitive
    assert plan.of("blk.3.ffn_up.weight", frozenset({3})).bits == Code.X4
    assert plan.of("blk.2.ffn_up.weight", frozenset({3})).bits == Code.X2
    assert plan.of("blk.2.attn_v.weight", frozenset({3})).bits == Code.X4


def test_plans_differ_by_every_option():
    base = Plan()
    for change in ({"bits": 4}, {"group": 64}, {"method": "rtn"}, {"rotate": False}, {"sparsity": 0.5},
                   {"prune": "wanda"}, {"keep": True}):
        assert Plan(replace(base.options, **change)).as_json() != base.as_json()
    for other in (Plan(seed=1), Plan(rules=(Rule("a", {"bits": 4}),))):
        assert other.as_json() != base.as_json()


@pytest.mark.parametrize("options, cols, form", [
    (Options(Code.X3), 576, Form(4, code=Code.X3, group=64, row_scale=True, rotated=True, double=True, zero=-15)),
    (Options(Code.X2), 1536, Form(3, code=Code.X2, group=128, row_scale=True, rotated=True, double=True, zero=-7)),
    (Options(Code.X3, rotate=False), 576, Form(4, code=Code.X3, group=64, double=True, zero=-15)),
    (Options(Code.X4, "row", rotate=False), 96,
     Form(5, code=Code.X4, group=32, row_scale=True, double=True, zero=-31)),
    (Options(4), 576, Form(4, signed=True, group=64, rotated=True)),
    (Options(4), 1536, Form(4, signed=True, group=128, rotated=True)),
    (Options(8, "row"), 1536, Form(8, signed=True, group=64, row_scale=True, rotated=True)),
    (Options(2, 128), 576, Form(2, group=128, rotated=True, double=True, zero=-3)),
    (Options(3, 128), 576, Form(3, signed=True, group=128, rotated=True)),
    (Options(3, 128, sparsity=0.5, prune="wanda"), 576, Form(3, signed=True, group=128, rotated=True)),
    (Options(1, 32, rotate=False), 64, Form(1, group=32, double=True, zero=-1)),
    (Options(3, 64, "bcq"), 576, Form(1, group=64, rotated=True, double=True, zero=-1, terms=3)),
])
def test_forms(options, cols, form):
    assert options.form(cols) == form


@pytest.mark.parametrize("options, message", [
    (Options(4, 32), "groups of 32 columns cannot be rotated"),
    (Options(3, "row", "bcq"), "method bcq has a scale for each plane and group"),
    (Options(8, 128), "8 bits in groups of 128 are beyond the engine's sums, expected groups of 64 at most"),
    (Options(Code.X3, method="gptq"), "which method gptq cannot make"),
    (Options(4, method="trellis"), "expected a window code"),
    (Options(4, sparsity=0.5), "prune is not set"), (Options(4, prune="wanda"), "sparsity is 0"),
])
def test_contradictions(options, message):
    with pytest.raises(CompressError, match=message):
        options.recipe(576)


def test_parsing():
    assert parse_bits("X2.5") == Code.X2_5 and parse_bits("8") == 8
    assert parse_group("row") == "row" and parse_group("128") == 128
    rule = parse_rule("blk.*.attn_v:bits=x4,group=row,rotate=no,sparsity=0.5,prune=wanda,keep=no")
    assert rule == Rule("blk.*.attn_v", {"bits": Code.X4, "group": "row", "rotate": False, "sparsity": 0.5,
                                         "prune": "wanda", "keep": False})


@pytest.mark.parametrize("parse, text, message", [
    (parse_bits, "9", "bits is '9', expected 1 to 8, x2, x2.5, x3, x4"), (parse_bits, "x5", "bits is 'x5'"),
    (parse_group, "48", "group is '48', expected row, 32, 64, 128"),
    (parse_rule, "attn_v", "'attn_v' is no rule"), (parse_rule, ":bits=4", "is no rule"),
    (parse_rule, "a:bitz=4", "'bitz=4' in the rule 'a:bitz=4' is none of bits=…"), (parse_rule, "a:bits", "is none of"),
    (parse_rule, "a:rotate=1", "are yes or no"), (parse_rule, "a:sparsity=x", "expected a number"),
    (parse_rule, "a:method=x", "method is 'x', expected rtn"),
])
def test_bad_texts(parse, text, message):
    with pytest.raises(CompressError, match=message):
        parse(text)
