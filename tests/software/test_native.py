"""Compilation on first use, and what is said where it cannot be."""

import os

import pytest
from dojang.native import NativeError, compiled
from dojang_sim.toolchain import ToolchainError

SOURCE = '#include "value.h"\nextern "C" int value() { return VALUE; }\n'


@pytest.fixture
def source(tmp_path, monkeypatch):
    monkeypatch.setenv("DOJANG_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "sum.cpp"
    path.write_text(SOURCE)
    (tmp_path / "value.h").write_text("#define VALUE 7\n")
    return path


def test_built_once_for_each_text(source):
    built = []
    assert compiled(source, on_build=lambda: built.append(1)).value() == 7
    assert compiled(source, on_build=lambda: built.append(2)).value() == 7
    assert built == [1]
    source.with_name("value.h").write_text("#define VALUE 8\n")
    assert compiled(source, on_build=lambda: built.append(3)).value() == 8
    assert built == [1, 3]


def test_a_compiler_that_fails_is_named(source, monkeypatch):
    source.write_text("int main( {")
    with pytest.raises(NativeError, match=r"building sum\.cpp failed: .*error"):
        compiled(source)
    monkeypatch.setenv("PATH", str(source.parent))
    with pytest.raises(NativeError, match=r"missing system tool: g\+\+"):
        compiled(source)


def test_a_cache_that_cannot_be_written_is_named(source, monkeypatch):
    blocked = source.with_name("file")
    blocked.write_text("")
    monkeypatch.setenv("DOJANG_CACHE", str(blocked / "deep"))
    with pytest.raises(ToolchainError, match=f"the cache folder {blocked / 'deep'} cannot be written: Not a directory"):
        compiled(source)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission(source, monkeypatch):
    folder = source.with_name("closed")
    folder.mkdir(mode=0o500)
    monkeypatch.setenv("DOJANG_CACHE", str(folder))
    with pytest.raises(ToolchainError, match=f"folder {folder} cannot be written: Permission denied"):
        compiled(source)


def test_a_damaged_library_is_named(source, monkeypatch):
    compiled(source)
    library, = source.parent.glob("cache/*.so")
    other = source.with_name("other")  # a path that is loaded already would be taken as it is
    other.mkdir()
    (other / library.name).write_text("no library")
    monkeypatch.setenv("DOJANG_CACHE", str(other))
    with pytest.raises(NativeError, match=r"cannot be loaded from the cache: .*(invalid ELF header|too short)"):
        compiled(source)
