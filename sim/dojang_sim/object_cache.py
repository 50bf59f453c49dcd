"""A compiler cache for Verilator's own sources, which every model is built with. make calls this file (OBJCACHE)."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

FOLDER = "DOJANG_OBJECTS"
"""Environment variable that names the folder of the objects."""


def main(command: list[str]) -> int:
    """Run a compiler, or copy what it made of the same source and options before; returns its exit code."""
    source = Path(command[-1])
    if source.parent.name != "include" or not source.name.startswith("verilated") or "-o" not in command:
        return subprocess.run(command).returncode
    target = command[command.index("-o") + 1]
    # These sources include nothing of the model, so the folders of its headers do not matter.
    options = [part for part in command[:-1] if not part.startswith("-I") and part != target]
    digest = hashlib.sha256(repr(options).encode())
    for file in sorted((*source.parent.glob("*.h"), source)):
        digest.update(file.read_bytes())
    kept = Path(os.environ[FOLDER], f"{source.stem}-{digest.hexdigest()[:16]}.o")
    if kept.exists():
        shutil.copyfile(kept, target)
        return 0
    code = subprocess.run(command).returncode
    if code == 0:
        _keep(target, kept)
    return code


def _keep(target: str, kept: Path) -> None:
    """At once: others may look for it. A folder that cannot be written costs time only."""
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=kept.parent, delete=False) as scratch:
            scratch.write(Path(target).read_bytes())
        os.replace(scratch.name, kept)
    except OSError:
        pass


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
