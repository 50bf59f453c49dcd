"""Where keys and values lie: all channels alike, every row once."""

from collections import Counter
from itertools import chain

import pytest
from dojang.checkpoints import ModelShape
from dojang.compile.kv_cache import KV_BITS, TERMS, HeadPlace, allocate_cache
from dojang.compile.regions import MemoryMap
from dojang_hdl.config import BLOCK, ELEMENTS, preset

POSITIONS = 64


@pytest.mark.parametrize("heads", [1, 2, 3, 4, 5, 8, 9])
@pytest.mark.parametrize("channels", [1, 2, 4])
def test_channels_are_filled_one_after_the_other(heads, channels):
    parts = 8
    placed = [HeadPlace(index, heads).channels(parts, channels) for index in range(heads)]
    flat = list(chain(*placed))
    assert all(len(head) == parts for head in placed) and flat == sorted(flat)
    counts = Counter(flat)
    assert max(counts.values()) - min(counts[channel] for channel in range(channels)) <= 1


def test_three_heads_on_two_channels():
    assert [HeadPlace(index, 3).channels(4, 2) for index in range(3)] == [[0] * 4, [0, 0, 1, 1], [1] * 4]


def caches(heads, key=64, value=64, acc_rows=None):
    config = preset("sim-2x2")
    shape = ModelShape(layers=1, d=64 * heads, heads=heads, kv_heads=heads, head_dim=key, value_dim=value, ffn=96,
                       vocab=260, context=POSITIONS)
    memory = MemoryMap(config)
    memory.end_tiles()
    return memory, [allocate_cache(f"head{index}", index // config.width, HeadPlace(index, heads), shape, POSITIONS,
                                   memory) for index in range(heads)]


@pytest.mark.parametrize("value", [64, 36, 256])
def test_every_group_and_row_has_a_place_of_its_own(value):
    memory, found = caches(3, value=value)
    taken = set()
    for cache in found:
        assert len(cache.key_groups) == TERMS * 2
        rows = list(chain(*(range(block.first, block.first + block.rows) for block in cache.value_blocks)))
        assert rows == list(range(TERMS * value)) and all(block.rows % ELEMENTS == 0 for block in cache.value_blocks)
        spans = [(group.channel, group.planes, POSITIONS * KV_BITS // ELEMENTS) for group in cache.key_groups]
        spans += [(group.channel, group.scales, POSITIONS // 8) for group in cache.key_groups]
        spans += [(block.channel, block.start, block.tile_words * POSITIONS // BLOCK) for block in cache.value_blocks]
        for channel, start, words in spans:
            region = next(region for region in memory.regions
                          if region.channel == channel and region.start <= start < region.start + region.words)
            assert start + words <= region.start + region.words
            mine = {(channel, word) for word in range(start, start + words)}
            assert not taken & mine
            taken |= mine


def test_all_channels_give_as_many_values_as_keys():
    first, second, third = caches(3)[1]
    assert [group.channel for group in second.key_groups] == [0, 0, 1, 1]
    assert [(block.channel, block.first, block.rows) for block in second.value_blocks] == [(0, 0, 64), (1, 64, 64)]
    assert [(block.channel, block.rows) for block in first.value_blocks] == [(0, 128)]
    assert [(block.channel, block.rows) for block in third.value_blocks] == [(1, 128)]
