"""Programs compiled once more for the way that they go in training."""

import subprocess
from dataclasses import replace

import pytest
from dojang_sim.executable import Library, build_executable
from dojang_sim.toolchain import ToolchainError

COUNTER = """module NAME(input clk, input [7:0] step, output reg [31:0] sum);
  always @(posedge clk) if (step[0]) sum <= sum + {24'd0, step}; else sum <= sum ^ {24'd0, step};
endmodule
"""

MAIN = """#include <cstdio>
#include "Vinner.h"
#include "Vouter.h"
int main() {
    Vinner inner; Vouter outer;
    for (int i = 0; i < 2000; ++i) {
        outer.step = i; inner.step = i * 3;
        outer.clk = inner.clk = 0; outer.eval(); inner.eval();
        outer.clk = inner.clk = 1; outer.eval(); inner.eval();
    }
    printf("%u %u", outer.sum, inner.sum);
}
"""


def texts(name):
    return {f"{name}.v": COUNTER.replace("NAME", name)}


INNER = Library("inner", texts("inner"), (), "a counter")


@pytest.fixture
def build(tmp_path):
    """Builds the program of two models, one of them a library."""
    main = tmp_path / "main.cpp"
    main.write_text(MAIN)
    return lambda folder, **options: build_executable(
        tmp_path / folder, "outer", lambda: texts("outer"), (main,), title="two counters", libraries=lambda: [INNER],
        **options)


def run(program):
    return subprocess.run([str(program)], capture_output=True, text=True, check=True).stdout


def test_trained(build, tmp_path):
    """It gives what the other gives, has been compiled for what was counted in both parts, and counts no more."""
    trainings = []
    plain, trained = build("plain"), build("trained", train=lambda program: trainings.append(run(program)))
    assert trainings == [run(plain)] == [run(trained)]
    for part in ("objects/Vouter", "inner/objects/Vinner"):
        made = (tmp_path / "trained" / f"{part}__ALL.o").read_bytes()
        assert (tmp_path / "trained" / f"{part}__ALL.gcda").exists() and b"__gcov" not in made
    ordinary = (tmp_path / "plain/objects/Vouter__ALL.o").read_bytes()
    assert ordinary != (tmp_path / "trained/objects/Vouter__ALL.o").read_bytes()
    assert build("trained", train=trainings.append) == trained and len(trainings) == 1


def test_training_that_fails_leaves_nothing(build, tmp_path):
    def fail(program):
        raise ToolchainError("no training")

    with pytest.raises(ToolchainError, match="no training"):
        build("trained", train=fail)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["main.cpp", "trained.lock"]


def test_programs_share_a_library():
    archive = INNER.cached()
    written = archive.stat().st_mtime_ns
    assert INNER.cached() == archive and archive.stat().st_mtime_ns == written
    assert replace(INNER, texts=texts("inner") | {"more.v": ""}).cached() != archive
