"""Order of the tests, and which mutations are tried every day."""

import re
import zlib
from pathlib import Path

import pytest

FOLDERS = ("system", "sim", "hdl", "fpga", "software")

MUTATIONS = re.compile("test_(a_)?(mutations?|broken).*_(caught|found|noticed)")
"""Names of the tests that break something, each by a parameter, and see that the test of it notices."""

DAILY = 5
"""One mutation in so many is tried every day, the others with the slow tests: what they prove, they prove once."""


@pytest.hookimpl(tryfirst=True)   # before tests are chosen by their marks
def pytest_collection_modifyitems(items):
    """Files of few long tests begin: begun last, one of them would keep one worker busy while the other has none."""
    root = Path(__file__).parent
    for item in items:
        name = item.nodeid.partition("::")[2]
        if MUTATIONS.match(item.originalname) and zlib.crc32(name.encode()) % DAILY:
            item.add_marker(pytest.mark.slow)

    def place(item):
        folder = item.path.relative_to(root).parts[0]
        return FOLDERS.index(folder) if folder in FOLDERS else len(FOLDERS)

    items.sort(key=place)
