"""Files written at the end: whole, of this run, or not there; and places that take none."""

import json
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from dojang.cli import output_file
from dojang.cli.output_file import OutputFileError, prepare, write_json


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_nothing_is_created_before_there_is_something_to_write(tmp_path):
    prepare(tmp_path / "deep" / "s.json")
    assert names(tmp_path) == ["deep"] and names(tmp_path / "deep") == []
    write_json(tmp_path / "deep" / "s.json", {"text": "é\udcff"})
    assert names(tmp_path / "deep") == ["s.json"]
    assert json.loads((tmp_path / "deep" / "s.json").read_text()) == {"text": "é\udcff"}


def test_no_file_no_work():
    prepare(None)
    write_json(None, {})


def test_an_earlier_result_goes_when_work_begins(tmp_path):
    (tmp_path / "s.json").write_text("{}")
    prepare(tmp_path / "s.json", keep=True)
    assert names(tmp_path) == ["s.json"]
    prepare(tmp_path / "s.json")
    assert names(tmp_path) == []


def test_what_is_read_is_not_removed(tmp_path):
    (tmp_path / "model.gguf").write_text("weights")
    with pytest.raises(OutputFileError, match=r"cannot write .*model\.gguf: it is what is read"):
        prepare(tmp_path / "model.gguf", tmp_path / "model.gguf")
    assert (tmp_path / "model.gguf").read_text() == "weights"


def test_a_link_is_followed(tmp_path):
    (tmp_path / "there.json").write_text("{}")
    (tmp_path / "s.json").symlink_to(tmp_path / "there.json")
    prepare(tmp_path / "s.json")
    write_json(tmp_path / "s.json", [1])
    assert (tmp_path / "s.json").is_symlink() and json.loads((tmp_path / "there.json").read_text()) == [1]


def test_permissions_are_those_of_any_new_file(tmp_path):
    before = os.umask(0o027)
    try:
        write_json(tmp_path / "s.json", {})
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "s.json").stat().st_mode) == 0o640


def test_a_failure_leaves_the_file_that_was_there(tmp_path, monkeypatch):
    (tmp_path / "s.json").write_text("[1]")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(output_file.os, "replace", full)
    with pytest.raises(OutputFileError, match=r"s\.json: No space left on device"):
        write_json(tmp_path / "s.json", [2])
    assert names(tmp_path) == ["s.json"] and (tmp_path / "s.json").read_text() == "[1]"


@pytest.mark.parametrize("place, reason", [
    ("/", "Is a directory"), (".", "Is a directory"), ("/proc/s.json", "No such file or directory"),
    ("/proc/nope/s.json", "No such file or directory"), ("/dev/null/s.json", "Not a directory"),
    (f"/tmp/{'n' * 300}.json", "File name too long"),
])
def test_places_that_take_no_file(place, reason):
    with pytest.raises(OutputFileError) as found:
        prepare(Path(place))
    assert str(found.value) == f"cannot write {place}: {reason}"


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputFileError, match=r"file/s\.json: Not a directory"):
        prepare(tmp_path / "file" / "s.json")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no such device")
def test_devices_are_written_to_and_stay():
    for device in ("/dev/full", "/dev/null"):
        prepare(Path(device))
    write_json(Path("/dev/null"), {})
    with pytest.raises(OutputFileError, match="cannot write /dev/full: No space left on device"):
        write_json(Path("/dev/full"), {})
    assert stat.S_ISCHR(os.stat("/dev/full").st_mode) and stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_a_pipe_is_written_to(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    prepare(tmp_path / "pipe")
    found = []
    reader = threading.Thread(target=lambda: found.append((tmp_path / "pipe").read_text()))
    reader.start()
    write_json(tmp_path / "pipe", {"a": 1})
    reader.join(10)
    assert json.loads(found[0]) == {"a": 1}


def test_standard_output_goes_on_where_it_is(tmp_path):
    """It would begin anew if the file behind it were opened."""
    code = """if True:
        from pathlib import Path
        from dojang.cli.output_file import prepare, write_json
        print("text")
        prepare(Path("/dev/stdout"))
        write_json(Path("/dev/stdout"), {"a": 1})
        print("more")
    """
    with (tmp_path / "out").open("w") as out:
        subprocess.run([sys.executable, "-c", code], stdout=out, check=True)
    first, *middle, last = (tmp_path / "out").read_text().splitlines()
    assert (first, json.loads("".join(middle)), last) == ("text", {"a": 1}, "more")
