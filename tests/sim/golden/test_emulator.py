"""Compiled programs on the emulated chip give the golden logits bit for bit, and broken ones are noticed."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from dojang.checkpoints import Form, LayerKind, ModelShape, Norm, Rotation, ScaleSet, load
from dojang.checkpoints.synthetic import amplified, random_set, with_forms, write_synthetic
from dojang.compile import CompileError, attention, buffers, compile_model, layer, linear, program, sram, writer
from dojang.compile.regions import of_set as regions_of_set
from dojang_hdl.config import preset
from dojang_hdl.isa import Code, Flag, Stream
from dojang_sim.golden.emulator import HazardError
from dojang_sim.golden.model import GoldenModel

from .machine import ODD, ROW, Machine, chip


def model(path, shape, kind, seed=0):
    return load(write_synthetic(path / f"{kind}.gguf", shape, kind, seed=seed))


GRID = [
    # heads, KV heads, head_dim, layers, d, ffn, vocab, type, chip, passes
    (4, 4, 32, 2, 64, 96, 50, "Q4_0", "sim-1x1", (1, 2, 3, 4, 1)),
    (6, 2, 64, 1, 100, 37, 131, "F16", "sim-1x1", (4, 1)),
    (4, 2, 64, 2, 96, 160, 131, "Q4_1", "sim-2x2", (1, 4, 2, 1)),
    (9, 3, 64, 1, 96, 352, 257, "Q8_0", "sim-2x2", (3, 1)),
    (2, 1, 128, 1, 68, 199, 1023, "F16", "sim-2x2", (4, 1)),
    (10, 2, 32, 1, 64, 96, 50, "Q4_1", "sim-4x4", (2, 1)),   # nodes without heads or vocabulary rows
    (4, 1, 128, 1, 160, 352, 131, "Q8_0", "sim-4x4", (1,)),
    (5, 5, 32, 1, 50, 101, 33, "F16", "odd", (2, 1)),
    (14, 7, 32, 1, 64, 96, 67, "Q4_0", "odd", (2, 1)),       # two KV heads on one node
    (2, 1, 32, 1, 288, 96, 300, "Q8_0", "row", (2, 1, 2, 1)),     # rows of the head, nine STREAMs each
    (2, 1, 32, 1, 64, 96, 131, "Q8_0", "sim-1x1", (4, 1)),      # four lanes
    (2, 1, 32, 1, 96, 96, 600, "Q8_0", "board-ecpix5", (1, 1, 1)),
]


def window(code, bits, **fields):
    """Of a window code: 2Q - Qmax, a scale a row."""
    return Form(bits, code=code, double=True, zero=1 - (1 << bits), row_scale=True, **fields)


X2, X2_5, X3, X4 = (window(code, bits, group=64, rotated=True)
                    for code, bits in ((Code.X2, 3), (Code.X2_5, 4), (Code.X3, 4), (Code.X4, 5)))
ONE_BIT, TERNARY = Form(1, group=128, double=True, zero=-1), Form(2, group=64, zero=-1)
DENSE = [Form(4, signed=True, group=128, rotated=True), Form(3, signed=True, group=64), Form(2, signed=True),
         Form(6, group=128, zero=-31), Form(8, signed=True, row_scale=True)]
PRUNED = [(window(Code.X2, 3), 0.5), (window(Code.X3, 4, group=128), 0.25), (window(Code.X2_5, 4), 0.5),
          (window(Code.X4, 5, group=64), 0.5)]
BCQ = Form(1, double=True, zero=-1, terms=3)

COMPRESSED = [
    # forms in turns, chip, d, ffn, heads, head_dim, passes
    ([X2], "sim-1x1", 128, 192, 4, 32, (4, 1)),
    ([X3], "sim-2x2", 128, 192, 4, 32, (1, 4)),
    ([X2_5, X4, X3], "odd", 128, 192, 6, 32, (2, 1)),
    ([X2_5], "row", 96, 100, 5, 32, (2, 1)),             # vectors that end within a group
    ([ONE_BIT, TERNARY], "sim-2x2", 100, 160, 4, 32, (3, 1)),
    (DENSE, "sim-2x2", 160, 96, 4, 64, (2, 1)),
    (PRUNED, "odd", 96, 160, 4, 32, (2, 1)),
    ([BCQ, X3, ONE_BIT, (window(Code.X2, 3), 0.5), Form(4)], "sim-1x1", 100, 96, 3, 32, (3, 1)),
]


@pytest.mark.parametrize("case", COMPRESSED, ids=lambda c: "-".join(str(x) for x in c[1:]))
def test_logits_of_compressed_models(case, tmp_path):
    forms, name, d, ffn, heads, head_dim, passes = case
    shape = ModelShape(2, d, heads, heads, head_dim, ffn, 67, 64)
    checkpoint = with_forms(model(tmp_path, shape, "F16"), forms, seed=d)
    machine = Machine(checkpoint, replace(chip(name), coded=True), 40)
    rng = np.random.default_rng(d)
    for count in passes:
        machine.check(rng.integers(0, 67, count).tolist())


SETS = [
    # forms in turns, or a tensor type, chip, d, ffn, tied
    ([X2, X3], "sim-2x2", 128, 192, False),
    ([BCQ, ONE_BIT, DENSE[1], (window(Code.X2, 3), 0.5)], "odd", 100, 96, False),
    ("Q4_1", "odd", 96, 160, True),                        # scales beside offsets
    ("Q8_0", "row", 96, 96, True),                         # embedding rows with the head's own scales, whatever the set
]


@pytest.mark.parametrize("case", SETS, ids=lambda c: "-".join(str(x) for x in c[1:]))
def test_scale_sets_change_between_passes(case, tmp_path):
    """Each pass is the golden model's with the set's scales and gains, on the cache that earlier sets have left."""
    forms, name, d, ffn, tied = case
    shape = ModelShape(2, d, 4, 4, 32, ffn, 267, 64, tied=tied)
    plain = isinstance(forms, str)
    checkpoint = model(tmp_path, shape, forms if plain else "F16")
    checkpoint = checkpoint if plain else with_forms(checkpoint, forms, seed=d)
    first, second = (random_set(checkpoint, f"set {seed}", seed) for seed in range(2))
    second = ScaleSet("second", {key: value for key, value in second.values.items() if "ffn" not in key})
    config = replace(chip(name), coded=True)
    machine = Machine(checkpoint, config, 40, sets=(first, second))
    assert machine.image.sets == 3
    variants = [checkpoint, checkpoint.with_set(first), checkpoint.with_set(second)]
    rng = np.random.default_rng(d)
    for number, count in ((0, 1), (2, 1), (1, 2), (0, 1)):
        machine.set = number
        machine.golden.rescale(variants[number])
        machine.check(rng.integers(0, 267, count).tolist())
    # A golden model that was switched says what one says that knew no other set, and each set something of its own.
    fresh = [GoldenModel(variant, 2).forward([5, 7], 0) for variant in variants]
    for variant, expected in zip(variants, fresh, strict=True):
        machine.golden.rescale(variant)
        assert np.array_equal(machine.golden.forward([5, 7], 0), expected)
    assert len({logits.tobytes() for logits in fresh}) == 3


def test_scale_sets_cost_no_bytes_of_a_pass(tmp_path):
    """Planes and programs are there once, and a pass reads as much as without sets."""
    shape = ModelShape(1, 128, 4, 4, 32, 192, 67, 64)
    checkpoint = with_forms(model(tmp_path, shape, "F16"), [X2, X3])
    config = replace(ODD, coded=True)
    one, three = (Machine(checkpoint, config, 40, sets=[random_set(checkpoint, "set", i) for i in range(sets)])
                  for sets in (0, 2))
    three.set = 2
    assert one.run([3]).words_read == three.run([3]).words_read
    assert one.image.bytes_per_token(3) == three.image.bytes_per_token(3)
    assert one.image.programs[1].words == three.image.programs[1].words
    for part in (".planes", ".scales", "vectors", "programs", "embedding"):
        words = [sum(region.words for region in machine.image.regions if part in region.name)
                 for machine in (one, three)]
        assert words[1] == words[0] * (3 if part in (".scales", "vectors") else 1), part


def test_scale_sets_that_a_chip_cannot_hold_are_named(tmp_path):
    checkpoint = model(tmp_path, ModelShape(1, 64, 2, 2, 32, 64, 67, 64), "Q4_0")
    one = random_set(checkpoint, "set", 1)
    with pytest.raises(CompileError, match=r"1 scale sets were given, chip 'sim-1x1' has no register that chooses one"):
        compile_model(checkpoint, replace(preset("sim-1x1"), coded=False), 40, [one])
    with pytest.raises(CompileError, match="256 scale sets were given, expected 255 at most"):
        compile_model(checkpoint, replace(preset("sim-1x1"), coded=True), 40, [one] * 256)


def test_a_chip_that_does_not_take_compressed_matrices_says_so(tmp_path):
    shape = ModelShape(1, 64, 2, 2, 32, 64, 67, 64)
    checkpoint = with_forms(model(tmp_path, shape, "F16"), [X3])
    with pytest.raises(CompileError, match=r"blk.0.attn_q is compressed \(X3, groups of 64, rotated, a scale a row\), "
                       r"chip 'sim-1x1' takes plain codes in groups of 32 only"):
        compile_model(checkpoint, replace(preset("sim-1x1"), coded=False), 40)


def test_a_gemv_for_coded_chips_is_noticed(tmp_path):
    shape = ModelShape(1, 64, 2, 2, 32, 64, 67, 64)
    machine = Machine(with_forms(model(tmp_path, shape, "F16"), [X3]), replace(preset("sim-1x1"), coded=True), 40)
    machine.emulator.config = replace(machine.emulator.config, coded=False)
    with pytest.raises(HazardError, match="a GEMV for coded chips"):
        machine.run([1])


@pytest.mark.parametrize("case", GRID, ids=lambda c: "-".join(str(x) for x in c[:9]))
def test_logits_are_the_golden_ones(case, tmp_path):
    heads, kv_heads, head_dim, layers, d, ffn, vocab, kind, name, passes = case
    shape = ModelShape(layers, d, heads, kv_heads, head_dim, ffn, vocab, 64, tied=kind == "Q8_0")
    machine = Machine(model(tmp_path, shape, kind, seed=heads), chip(name), 40, seed=layers)
    rng = np.random.default_rng(vocab)
    for contexts in passes:
        machine.check(rng.integers(0, vocab, contexts).tolist())


@pytest.mark.parametrize("heads, kv_heads, head_dim, fields, name, passes", [
    (4, 2, 64, {"key_dim": 48}, "sim-2x2", (4, 1, 1)),
    (2, 1, 96, {"key_dim": 80, "kinds": (LayerKind(Rotation(dim=48, magnitude=1.25)),)}, "sim-2x2", (3, 1)),
    (3, 1, 128, {"key_dim": 100, "score_scale": 0.5}, "sim-1x1", (2, 1)),
    (5, 5, 32, {"key_dim": 20, "kinds": (LayerKind(Rotation(dim=6)),)}, "odd", (2, 1)),
    (4, 2, 32, {"key_dim": 4, "value_dim": 28}, "odd", (1, 2)),
    (2, 2, 96, {"value_dim": 36}, "sim-1x1", (4, 1)),
])
def test_head_sizes(heads, kv_heads, head_dim, fields, name, passes, tmp_path):
    shape = ModelShape(2, 64, heads, kv_heads, head_dim, 96, 50, 64, Norm(2.0 ** -17), **fields)
    machine = Machine(load(write_synthetic(tmp_path / "m.gguf", shape, "F16", sharpness=2.0)), chip(name), 40)
    assert machine.golden.shape == shape
    for contexts in passes:
        machine.check(np.random.default_rng(contexts).integers(0, 50, contexts).tolist())


@pytest.mark.parametrize("context", [32, 33])
def test_factors_follow_the_reserved_context(context, tmp_path):
    rotation = Rotation(factors=(1.5,) * 16, factors_long=(8.0,) * 16, original_context=32)
    shape = ModelShape(1, 64, 2, 1, 32, 96, 50, 64, kinds=(LayerKind(rotation),))
    machine = Machine(load(write_synthetic(tmp_path / "m.gguf", shape, "F16")), preset("sim-1x1"), context)
    assert machine.image.shape.kinds[0].rotation.factors == (8.0 if context > 32 else 1.5,) * 16
    machine.check([3, 1, 4])


def test_the_embedding_is_the_head_only_where_it_is_so_to_the_last_bit(tmp_path):
    shape = ModelShape(1, 64, 2, 1, 32, 96, 300, 64, tied=True)
    for kind, name, same in (("Q8_0", "row", True), ("F16", "row", False), ("Q4_0", "row", False),
                             ("Q8_0", "odd", False)):
        image = compile_model(model(tmp_path, shape, kind), chip(name), 40)
        words = sum(region.words for region in image.regions if region.name == "embedding")
        assert words == 300 * (1 if same else 16), (kind, name)
    untied = load(write_synthetic(tmp_path / "untied.gguf", replace(shape, tied=False), "Q8_0"))
    assert any(region.name == "embedding" and region.words == 300 * 16
               for region in compile_model(untied, ROW, 40).regions)


@pytest.mark.parametrize("name, context", [("sim-2x2", 40), ("odd", 100)])
def test_a_context_of_several_tiles_and_score_blocks(name, context, tmp_path):
    shape = ModelShape(1, 32, 2, 1, 32, 32, 33, 256)
    machine = Machine(model(tmp_path, shape, "Q8_0"), chip(name), context)
    rng = np.random.default_rng(9)
    width = machine.image.contexts
    while machine.position < context:
        machine.check(rng.integers(0, 33, min(width, context - machine.position)).tolist())


def test_a_large_context_at_its_beginning(tmp_path):
    """Most row blocks of the scores are empty: their streams and GEMVs do nothing."""
    shape = ModelShape(1, 32, 2, 1, 64, 32, 33, 1024)
    machine = Machine(model(tmp_path, shape, "Q8_0"), replace(ODD, acc_rows=128), 1000)
    machine.check([3, 1])
    machine.check([4])


def test_ids_of_a_large_vocabulary(tmp_path):
    """Beyond 16 bits: rows of the embedding, row blocks of the head and candidates."""
    machine = Machine(model(tmp_path, ModelShape(1, 32, 2, 1, 32, 32, 100_000, 64), "Q8_0"), preset("sim-1x1"), 40)
    machine.check([99_999, 70_000, 65_536])
    machine.check([1])


def test_types_may_differ_within_a_layer(tmp_path):
    shape = ModelShape(1, 64, 4, 2, 32, 96, 50, 64)
    first, second = (model(tmp_path, shape, kind) for kind in ("Q4_1", "Q8_0"))

    def matrix(name):
        return (second if "attn_v" in name or "ffn_up" in name else first).load_matrix(name)

    machine = Machine(replace(first, load_matrix=matrix), preset("sim-2x2"), 40)
    machine.check([3, 1, 4])
    machine.check([15])


def test_glassllm():
    machine = Machine(load("glassllm"), preset("sim-2x2"), 64)
    machine.check([5, 600, 7, 1])
    machine.check([9])


def test_prefill_is_the_same_in_batches_and_one_by_one(tmp_path):
    shape = ModelShape(2, 64, 4, 2, 32, 96, 50, 64)
    checkpoint = model(tmp_path, shape, "Q4_0")
    tokens = [3, 1, 4, 1, 5, 9]
    batches, single = (Machine(checkpoint, preset("sim-2x2"), 40, seed) for seed in range(2))
    batches.run(tokens[:4])
    batches.run(tokens[4:])
    for token in tokens:
        single.run([token])
    assert np.array_equal(batches.logits(2)[1], single.logits(1)[0])


INPUTS = ("attn_q", "attn_k", "attn_v")
ROUNDED = {"0.attn_norm": ("attn_norm", INPUTS), "0.q": ("attn_q", ()), "0.k_scale": ("attn_k", ()),
           "0.o": ("attn_v", ()), "0.ffn_norm": ("ffn_norm", ("ffn_gate", "ffn_up")), "0.a": ("ffn_up", ()),
           "output_norm": ("output_norm", ())}
"""Values that FP16 holds, the tensor they are proportional to, and those that have to make up for it."""


@pytest.mark.parametrize("value", ROUNDED)
@pytest.mark.parametrize("config", [preset("sim-1x1"), ODD], ids=lambda config: config.name)
def test_every_clipped_value_raises_the_flag(value, config, tmp_path):
    """Whichever it is: a model a little louder than one that still fits."""
    checkpoint = model(tmp_path, ModelShape(1, 64, 4, 2, 32, 96, 50, 64), "F32")
    trace = {}
    GoldenModel(checkpoint, 2).forward([7, 3], 0, trace)
    tensor, others = ROUNDED[value]
    for louder, expected in ((0.9, Flag(0)), (1.1, Flag.SATURATED)):
        factor = louder * 65520 / np.abs(trace[value].astype(np.float64)).max()
        factors = {tensor: factor} | dict.fromkeys(others, 1 / factor)
        loud = amplified(checkpoint, {f"{'' if name == value else 'blk.0.'}{name}.weight": each
                                      for name, each in factors.items()})
        machine = Machine(loud, config, 40)
        assert machine.check([7, 3][:machine.image.contexts]) == expected
        assert set(machine.golden.saturated) <= {value}


def test_trace_and_traffic(tmp_path):
    shape = ModelShape(1, 64, 4, 2, 32, 96, 50, 64)
    machine = Machine(model(tmp_path, shape, "Q4_0"), preset("sim-2x2"), 40)
    result = machine.run([3], trace=True)
    assert len(result.trace) == sum(result.instructions)
    useful = machine.image.bytes_per_token(0)
    assert useful < 16 * sum(result.words_read) < 4 * useful
    inputs = next(entry for entry in result.trace if entry.node == 1 and entry.op.name == "GEMV")
    assert [len(values) for _, values in inputs.writes] == [64]  # a quarter of 128 + 64 + 64 rows


# Broken compilers: each rule of docs/reference/program.md, broken, is noticed whatever the interleaving.

def broken(tmp_path, tokens=(3,), **shape):
    shape = ModelShape(**{"layers": 2, "d": 64, "heads": 4, "kv_heads": 2, "head_dim": 32, "ffn": 96, "vocab": 50,
                          "context": 64} | shape)
    machine = Machine(model(tmp_path, shape, "Q4_0"), preset("sim-2x2"), 40)
    for _ in range(2):
        machine.run(tokens)


@pytest.mark.parametrize("tokens", [(3,), (3, 4, 5)])
def test_unbroken(tokens, tmp_path):
    broken(tmp_path, tokens)


def test_gathers_that_share_words_are_noticed(tmp_path, monkeypatch):
    def place(rx, qkv, o, attention, a, ffn):
        base = rx.allocate("all", max(qkv, o, attention, a, ffn))
        return sram.Gathers(base, base, base, base, base)

    monkeypatch.setattr(buffers, "place_gathers", place)
    with pytest.raises(HazardError, match="RX"):
        broken(tmp_path)


def test_one_tag_for_all_gathers_is_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr(writer.Writer, "gathered", lambda self, n: self.wait(0, n))
    with pytest.raises(HazardError, match=r"later all-gather|no WAIT has covered|have arrived"):
        for _ in range(20):
            broken(tmp_path)


def test_a_node_that_sends_nothing_is_noticed(tmp_path, monkeypatch):
    original = layer.emit_attention

    def silent(w, layout):
        if w.heads:
            original(w, layout)

    monkeypatch.setattr(layer, "emit_attention", silent)
    with pytest.raises(HazardError, match="all nodes wait"):
        broken(tmp_path)


def test_a_missing_wait_is_noticed(tmp_path, monkeypatch):
    original = writer.Writer.wait

    def wait(self, tag, n):
        if tag != writer.LATE:
            original(self, tag, n)

    monkeypatch.setattr(writer.Writer, "wait", wait)
    with pytest.raises(HazardError, match=r"have arrived|no WAIT has covered"):
        broken(tmp_path)


def test_a_stream_ahead_of_its_writer_is_noticed(tmp_path, monkeypatch):
    original = program.ProgramBuilder.stream
    monkeypatch.setattr(program.ProgramBuilder, "stream",
                        lambda self, kind, n, after=0, **fields: original(self, kind, n, 0, **fields))
    with pytest.raises(HazardError, match="changed between STREAM and use"):
        broken(tmp_path)


def test_values_over_those_that_are_still_read_are_noticed(tmp_path, monkeypatch):
    class Early(attention._Tiles):
        def put(self, head, block, c):
            super().put(head, block, c)
            written = self.written(block)
            super().put(head, block, c + 1)
            self._written[block] = written

    monkeypatch.setattr(attention, "_Tiles", Early)
    with pytest.raises(HazardError, match="changed between STREAM and use"):
        broken(tmp_path, (3, 4, 5))


@pytest.mark.parametrize("part", [linear, writer], ids=["scales", "vectors"])
@pytest.mark.parametrize("wrong", [lambda regions: {}, lambda regions: regions_of_set(regions) | {"m_mul": 32}],
                         ids=["the first set's", "another distance"])
def test_another_set_is_noticed(part, wrong, tmp_path, monkeypatch):
    checkpoint = model(tmp_path, ModelShape(1, 64, 2, 2, 32, 96, 50, 64), "Q4_0")
    monkeypatch.setattr(part, "of_set", wrong)
    machine = Machine(checkpoint, replace(ODD, coded=True), 40, sets=[random_set(checkpoint, "set", 1)])
    machine.check([3])
    machine.set = 1
    machine.golden.rescale(checkpoint.with_set(random_set(checkpoint, "set", 1)))
    with pytest.raises(AssertionError):
        machine.check([3])


def test_an_overfilled_queue_is_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr(writer, "ProgramBuilder",
                        lambda queues: program.ProgramBuilder([queue + 1 for queue in queues]))
    with pytest.raises(HazardError, match="9 STREAMs"):
        broken(tmp_path, kv_heads=1, layers=10)  # a node without heads streams ahead over layers


def test_keys_that_are_read_ahead_are_noticed(tmp_path, monkeypatch):
    prefetched = SimpleNamespace(URGENT_PLANES=Stream.PLANES, URGENT_SCALES=Stream.SCALES)
    monkeypatch.setattr(attention, "Stream", prefetched)
    with pytest.raises(HazardError, match="prefetched"):
        broken(tmp_path)


def test_missing_padding_is_noticed(tmp_path, monkeypatch):
    original = attention.emit_weights

    def short(w, *args, **kwargs):
        plain = w.vec
        w.vec = lambda *a, **fields: plain(*a, **{k: v for k, v in fields.items() if k != "pad32"})
        original(w, *args, **kwargs)
        w.vec = plain

    monkeypatch.setattr(attention, "emit_weights", short)
    with pytest.raises(HazardError, match="not all of them are written"):
        broken(tmp_path)
