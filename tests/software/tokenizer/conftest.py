"""Small tokenizers, and llama.cpp's files from the source package of llama-cpp-python."""

import os
import subprocess
import sys
import tarfile
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from dojang.checkpoints import TokenizerData
from dojang.tokenizer import byte_characters
from dojang_sim.toolchain import cache_root

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def bytes_data():
    """Function that makes data: one token per byte, two merges, `specials` (text: type), and changes of these."""

    def make(specials=None, **changes):
        specials = {"<|end|>": 3, "<|user|>": 4} if specials is None else specials
        tokens = [*byte_characters(), "ab", "abc", *specials]
        data = TokenizerData("gpt2", "default", tokens, [1] * 258 + list(specials.values()), ["a b", "ab c"], bos=258,
                             eos=258, eos_ids=frozenset({258}))
        return replace(data, **changes)

    return make


@pytest.fixture(scope="session")
def llama_models():
    """Folder with llama.cpp's vocabularies and templates; ``DOJANG_LLAMA_CPP`` names the source package if it is there.

    Otherwise pip fetches it, once.
    """
    given = os.environ.get("DOJANG_LLAMA_CPP")
    folder = cache_root() / "llama-cpp"
    if given is None and not list(folder.glob("*.tar.gz")):
        extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
        wanted = next(name for name in extras["oracle"] if name.startswith("llama-cpp-python"))
        subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary",
                        "llama-cpp-python", "--dest", str(folder), wanted], check=True)
    archive = Path(given) if given else next(folder.glob("*.tar.gz"))
    models = folder / "models"
    if not models.exists():
        models.mkdir(parents=True)
        with tarfile.open(archive) as source:
            for member in source:
                _, inside, name = member.name.partition("/vendor/llama.cpp/models/")
                if inside and member.isfile():
                    content = source.extractfile(member)
                    assert content is not None
                    (models / name).parent.mkdir(exist_ok=True)
                    (models / name).write_bytes(content.read())
    return models
