"""Allocation: tiles before everything else, in every channel from the same address on."""

from dataclasses import replace

import pytest
from dojang.compile import CompileError
from dojang.compile.regions import MemoryMap
from dojang_hdl.config import preset

CONFIG = replace(preset("sim-2x2"), chunk=64, channel_mib=1)


def test_what_follows_the_tiles_starts_at_the_same_address():
    memory = MemoryMap(CONFIG)
    first, second = memory.allocate_tiles("a", 0, 65), memory.allocate_tiles("b", 0, 1)
    third = memory.allocate_tiles("c", 1, 10)
    memory.end_tiles()
    others = [memory.allocate("d", channel, 9) for channel in (0, 1)]
    assert [region.start for region in (first, second, third, *others)] == [0, 128, 0, 192, 192]
    assert memory.tiles(0) == [first, second] and memory.tiles(1) == [third]
    protection = memory.protection
    assert (protection.tiles_end, protection.end, protection.tile) == (192, 256, 64)


def test_clusters_are_whole_on_a_chip_with_smaller_chunks():
    memory = MemoryMap(replace(CONFIG, chunk=4))
    memory.allocate_tiles("a", 0, 4)
    memory.end_tiles()
    memory.allocate("b", 1, 10)
    assert (memory.protection.tiles_end, memory.protection.end) == (4, 20)


def test_tiles_and_others_do_not_mix():
    memory = MemoryMap(CONFIG)
    with pytest.raises(ValueError, match=r"^region 'x' is allocated before the end of the tiles$"):
        memory.allocate("x", 0, 1)
    memory.end_tiles()
    with pytest.raises(ValueError, match=r"^tiles 'y' are allocated behind the end of the tiles$"):
        memory.allocate_tiles("y", 0, 1)


def test_headers_need_room_too():
    def fits(tiles, others):
        memory = MemoryMap(CONFIG)
        memory.allocate_tiles("a", 1, tiles)
        memory.end_tiles()
        memory.allocate("b", 0, others)
        memory.check("m")

    fits(1008 * 64, 0)  # with 1,008 headers 65,520 of the 65,536 words
    fits(0, 910 * 64)   # with 7,280 headers as many
    for tiles, others in ((1009 * 64, 0), (0, 911 * 64), (64, 910 * 64)):
        with pytest.raises(CompileError, match=r"model 'm' needs 1\.0 MiB .* 'sim-2x2' has 1 MiB"):
            fits(tiles, others)
