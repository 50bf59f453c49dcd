"""Order of the tests."""

from pathlib import Path

FOLDERS = ("system", "sim", "hdl", "fpga", "software")


def pytest_collection_modifyitems(items):
    """Files of few long tests begin: begun last, one of them would keep one worker busy while the other has none."""
    root = Path(__file__).parent

    def place(item):
        folder = item.path.relative_to(root).parts[0]
        return FOLDERS.index(folder) if folder in FOLDERS else len(FOLDERS)

    items.sort(key=place)
