"""The save file of a waveform: groups, translations, relative names; on a real waveform, no signal is missing."""

import re
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from dojang_hdl.config import ChipConfig, preset
from dojang_sim.waves import write_save

NODE = "TOP.chip_top.chip.node_0_0.instance"
VARIABLES = [
    ("TOP.chip_top", "clk", 1), (f"{NODE}.sequencer.resolver", "fsm_state", 4),
    (f"{NODE}.sequencer", "instruction.head.op", 8),
    (f"{NODE}.vector", "beat_mul.x", 32), (f"{NODE}.engine", "scales__payload", 128),
    ("TOP.chip_top.chip.edge_0", "memory__read__valid", 1),
]


@pytest.fixture
def waveform(tmp_path):
    lines = []
    for number, (path, name, width) in enumerate(VARIABLES):
        scopes = path.split(".")
        lines += [f"$scope module {scope} $end" for scope in scopes]
        lines += [f"$var wire {width} {number} {name}{f' [{width - 1}:0]' if width > 1 else ''} $end"]
        lines += ["$upscope $end" for _ in scopes]
    path = tmp_path / "deep er" / "run.vcd"
    path.parent.mkdir()
    path.write_text("\n".join([*lines, "$enddefinitions $end", "#40", ""]))
    return path


def test_save_file(waveform):
    save = write_save(waveform, preset("sim-1x1"))
    text = save.path.read_text()
    assert save.path == waveform.with_suffix(".gtkw")
    assert save.command == f"(cd '{waveform.parent}' && gtkwave run.gtkw)"
    assert '[dumpfile] "run.vcd"' in text and "[timestart] 40" in text
    for line in ("^1 run-filters/Resolver_fsm_4.txt", "^>1 run-filters/fp16", "^>2 run-filters/fp32",
                 rf"+{{instruction head op}} {NODE}.sequencer.\instruction.head.op[7:0]",
                 f"+{{scales}} {NODE}.engine.scales__payload[127:0]"):
        assert line in text.splitlines()
    assert str(waveform.parent) not in text
    for name in re.findall(r"^\^>?\d+ (.*)$", text, re.MULTILINE):
        assert (waveform.parent / name).is_file()


def test_groups(waveform):
    text = write_save(waveform, preset("sim-2x2")).path.read_text()
    headings = Counter(line[1:] for line in text.splitlines() if line.startswith("-"))
    expected = {"router": 4, "sequencer": 4, "engine": 4, "vector unit": 4, "node 1,1": 1, "memory 1": 1}
    for group, times in expected.items():
        assert headings[group] == 2 * times, group  # one line opens a group, one closes it


def test_what_the_waveform_lacks_is_told(waveform):
    missing = write_save(waveform, preset("sim-1x1")).missing
    assert f"{NODE}.engine.busy" in missing and f"{NODE}.sequencer.resolver.fsm_state" not in missing


@pytest.mark.slow
def test_a_real_waveform(tmp_path):
    """Every signal named for the save file exists, and the resolver goes through its states in order.

    A chip without waveform, whose nodes are models of their own, gives the same logits in as many cycles.
    """
    from dojang.checkpoints import ModelShape, load
    from dojang.checkpoints.synthetic import write_synthetic
    from dojang.sessions import Waves, open_session

    config = ChipConfig("waves-test", width=1, height=1, lanes=1, contexts=1, acc_rows=128, sram_words=512,
                        plane_fifo=128, scale_fifo=128, program_fifo=64, chunk=32, channel_mib=32)
    model = write_synthetic(tmp_path / "m.gguf", ModelShape(1, 32, 1, 1, 32, 32, 260, 24), "Q4_1")
    waveform, cycles, told = tmp_path / "run.vcd", 3000, []
    checkpoint = load(str(model), 8)
    with open_session(checkpoint, config, waves=Waves(waveform, cycles), progress=told.append) as session:
        step = session.decode(1)
    assert step.cycles > cycles
    with open_session(checkpoint, config) as session:
        other = session.decode(1)
    assert other.cycles == step.cycles and (other.logits == step.logits).all()
    assert told[0] == "compiling the model" and told[-1].startswith("loading")
    save = write_save(waveform, config)
    assert save.missing == ()
    edges, states = _changes(waveform, f"{NODE}.sequencer.resolver", "fsm_state")
    assert edges == 2 * cycles
    table = dict(line.split() for line in (tmp_path / "run-filters" / "Resolver_fsm_4.txt").read_text().splitlines())
    names = [table[f"{state:x}"] for state in states]
    assert names[0] == "IDLE" and "FETCH_HEAD" in names
    order = ["FETCH_HEAD", "FETCH_REST", "BIAS", "SHIFT", "CLAMP", "MULTIPLY"]
    for before, after in pairwise(names):
        assert before not in order[:-1] or after == order[order.index(before) + 1]


def _changes(waveform: Path, path: str, name: str) -> tuple[int, list[int]]:
    """How many times are in a VCD, and the values a vector takes."""
    scopes, code, times, values = [], None, 0, []
    with waveform.open() as file:
        for line in file:
            words = line.split()
            if not words:
                continue
            if words[0] == "$scope":
                scopes.append(words[2])
            elif words[0] == "$upscope":
                scopes.pop()
            elif words[0] == "$var":
                assert not words[4].startswith("$"), "a name that GTKWave may refuse"
                if words[4] == name and ".".join(scopes) == path:
                    code = words[3]
            elif words[0].startswith("#"):
                times += 1
            elif words[0].startswith("b") and words[1] == code:
                values.append(int(words[0][1:], 2))
    return times, values
