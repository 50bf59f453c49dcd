"""Images: regions, files, sizes, errors."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from dojang.checkpoints import LayerKind, ModelShape, load
from dojang.checkpoints.synthetic import random_checkpoint, write_synthetic
from dojang.compile import CompileError, compile_model, memory_map
from dojang_hdl import isa
from dojang_hdl.config import preset

SHAPE = ModelShape(layers=2, d=96, heads=6, kv_heads=3, head_dim=32, ffn=160, vocab=131, context=256)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return load(write_synthetic(tmp_path_factory.mktemp("model") / "model.gguf", SHAPE, "Q4_1", seed=5))


@pytest.mark.parametrize("chip", ["sim-1x1", "sim-2x2", "sim-4x4"])
def test_regions_lie_apart_and_start_on_chunks(checkpoint, chip):
    image = compile_model(checkpoint, preset(chip), 200)
    for channel in range(image.config.channels):
        end = 0
        for region in (r for r in image.regions if r.channel == channel):
            assert region.start >= end and region.start % image.config.chunk == 0
            end = region.start + region.words
        assert end * 16 <= image.used_bytes(channel) < image.config.channel_words * 16


def test_programs_end_with_end_and_have_one_length(checkpoint):
    image = compile_model(checkpoint, preset("sim-2x2"), 64)
    memories = [np.zeros(image.used_bytes(c), np.uint8) for c in range(image.config.channels)]
    image.fill(memories)
    assert sorted(image.programs) == [1, 2, 3, 4]
    for run in image.programs.values():
        assert run.words <= 1 << run.slot_log2
        for node in range(image.config.nodes):
            start = 16 * (run.base + (node << run.slot_log2))
            ops = memories[node // image.config.width][start:start + 16 * run.words:32].tolist()
            end = ops.index(isa.Op.END)
            assert set(ops[end + 1:]) <= {isa.Op.NOP}
            assert isa.Op.NOP not in ops[:end]


def test_the_files_are_the_filled_memories(checkpoint, tmp_path):
    config = replace(preset("sim-2x2"), channel_mib=4)
    image = compile_model(checkpoint, config, 64)
    paths = image.write(tmp_path)
    assert [path.name for path in paths] == ["channel0.bin", "channel1.bin"]
    memories = [np.zeros(config.channel_words * 16, np.uint8) for _ in paths]
    image.fill(memories)
    for path, memory in zip(paths, memories, strict=True):
        assert path.stat().st_size == 4 << 20
        assert np.array_equal(np.fromfile(path, np.uint8), memory)


def test_weights_are_tiles_and_all_else_is_behind_them(checkpoint):
    image = compile_model(checkpoint, preset("sim-2x2"), 64)
    tiles_end = image.protection.tiles_end
    for channel in range(2):
        weights = [r for r in image.regions if r.channel == channel and ("planes" in r.name or "scales" in r.name)
                   and not r.name.startswith("cache")]
        assert image.tiles(channel) == [(r.start, r.words) for r in weights]
        others = [r for r in image.regions if r.channel == channel and r not in weights]
        assert max(r.start + r.words for r in weights) <= tiles_end == min(r.start for r in others)
        assert max(r.start + r.words for r in others) <= image.protection.end
    assert tiles_end % image.config.chunk == 0


def test_protected_files_hold_the_same_words(checkpoint, tmp_path):
    config = replace(preset("sim-2x2"), channel_mib=4)
    image = compile_model(checkpoint, config, 64)
    plain = [np.zeros(config.channel_words * 16, np.uint8) for _ in range(2)]
    image.fill(plain)
    paths = image.write(tmp_path, protected=True)
    for channel, path in enumerate(paths):
        assert path.stat().st_size == 4 << 20
        memory = np.fromfile(path, np.uint8)
        assert image.protection.wrong_blocks(memory, image.tiles(channel)) == []
        for region in (r for r in image.regions if r.channel == channel):
            words = image.protection.read(memory, region.start, region.words)
            assert np.array_equal(words, plain[channel][16 * region.start:16 * (region.start + region.words)])


def test_logits_are_read_from_both_layouts(checkpoint):
    image = compile_model(checkpoint, preset("sim-2x2"), 64)
    expected = np.random.default_rng(4).standard_normal((image.contexts, SHAPE.vocab)).astype("<f4")
    plain = [np.zeros(image.protection.end * 16, np.uint8) for _ in range(2)]
    for context, row in enumerate(expected):
        for part in image.logits(context):
            values = row[part.first:part.first + part.rows].view(np.uint8)
            plain[part.channel][16 * part.start:][:len(values)] = values
    protected = [np.zeros(image.protection.physical_words * 16, np.uint8) for _ in range(2)]
    for channel in range(2):
        image.protection.store(protected[channel], plain[channel], ())
    for context, row in enumerate(expected):
        assert np.array_equal(image.read_logits(plain, context), row)
        assert np.array_equal(image.read_logits(protected, context, protected=True), row)


def test_logit_slices_cover_the_vocabulary(checkpoint):
    for chip in ("sim-1x1", "sim-2x2", "sim-4x4"):
        image = compile_model(checkpoint, preset(chip), 32)
        for context in range(image.contexts):
            slices = image.logits(context)
            assert [s.first for s in slices] == np.cumsum([0, *(s.rows for s in slices)])[:-1].tolist()
            assert sum(s.rows for s in slices) == SHAPE.vocab


def test_useful_bytes(checkpoint):
    image = compile_model(checkpoint, preset("sim-2x2"), 64)
    d, ffn, q, kv = 96, 160, 192, 96
    weights = 2 * (d * (q + 2 * kv) + q * d + 3 * d * ffn) + 131 * d
    per_position = 2 * 3 * (2 * 32 + 2 * 2 + 2 * 32 + 4)
    assert image.bytes_per_token(9) == weights * 20 // 32 + 10 * per_position


def test_layers_with_windows_read_less():
    kinds = (LayerKind(), LayerKind(window=16))
    checkpoint = random_checkpoint(replace(SHAPE, layers=3, kinds=kinds, pattern=(1, 0, 1)))
    image = compile_model(checkpoint, preset("sim-2x2"), 64)
    one = image.shape.kv_bytes_per_token // 3
    assert image.bytes_per_token(9) - image.bytes_per_token(8) == 3 * one
    assert image.bytes_per_token(40) - image.bytes_per_token(39) == one


def test_too_large_for_the_memory(checkpoint):
    with pytest.raises(CompileError, match=r"needs .* MiB of memory per channel, chip 'sim-2x2' has 1 MiB"):
        compile_model(checkpoint, replace(preset("sim-2x2"), channel_mib=1), 16000)


def test_too_large_for_the_sram(checkpoint):
    with pytest.raises(CompileError, match=r"SRAM of chip 'sim-1x1' holds 128 words, a pass of 1 contexts needs"):
        compile_model(checkpoint, replace(preset("sim-1x1"), sram_words=128), 64)


def test_passes_are_of_as_many_tokens_as_the_sram_has_room_for(checkpoint):
    """The words that a pass needs grow with its tokens."""
    found = [compile_model(checkpoint, replace(preset("sim-1x1"), sram_words=words), 64).contexts
             for words in (512, 1024)]
    assert found == [1, 4]


@pytest.mark.parametrize("context", [0, 16001])
def test_context_out_of_range(checkpoint, context):
    with pytest.raises(CompileError, match=f"context of {context} positions was asked for, expected 1 to 16000"):
        compile_model(checkpoint, preset("sim-2x2"), context)


def test_more_tokens_than_an_address_follows(checkpoint):
    many = replace(checkpoint, shape=replace(checkpoint.shape, vocab=(1 << 20) + 1))
    with pytest.raises(CompileError, match="the model has 1,048,577 tokens, expected at most 1,048,576"):
        compile_model(many, preset("sim-2x2"), 64)


def test_memory_map_joins_neighbours(checkpoint):
    entries = memory_map(checkpoint, preset("sim-2x2"))
    assert {entry.channel for entry in entries} == {0, 1}
    assert [entry.name for entry in entries if entry.channel == 0] == [
        "layer0", "layer1", "head", "rotary", "vectors", "embedding", "cache", "logits", "programs"]
    for a, b in pairwise(entries):
        assert a.channel != b.channel or a.address + a.bytes <= b.address
