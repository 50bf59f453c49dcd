#!/usr/bin/env python3
"""GTKWave process filter: hexadecimal words become decimals; the file's name, fp16 or fp32, is the format.

Stands alone, because it is copied beside the waveform.
"""

import struct
import sys
from pathlib import Path


def translate(text: str, code: str) -> str:
    """The floats of struct format ``code`` in ``text``, the lowest bits first; other text comes back as it is."""
    digits = 2 * struct.calcsize(code)
    try:
        values = [struct.unpack(f">{code}", bytes.fromhex(text[at - digits:at]))[0]
                  for at in range(len(text), 0, -digits)]
    except (ValueError, struct.error):
        return text
    return "  ".join(f"{value:.7g}" for value in values)


if __name__ == "__main__":
    chosen = "e" if Path(sys.argv[0]).name == "fp16" else "f"
    for line in sys.stdin:
        print(translate(line.strip(), chosen), flush=True)
