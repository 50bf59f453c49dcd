"""Order of the tests, which mutations are tried every day, and whether all of them still apply."""

import importlib
import inspect
import re
import signal
import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# On a loaded machine anything may take seconds: no test fails for that, unless it is about time and says its own limit.
settings.register_profile("loaded machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("loaded machine")

BROKEN = re.compile("mutation|broken|caught")
"""Part of the name of every test that mutates something, with `MUTATES` in its module."""

MUTATES = re.compile(r"MUTATIONS|mutate\(")

FOLDERS = ("system", "sim", "hdl", "fpga", "software")

MUTATIONS = re.compile("test_(a_)?(mutations?|broken).*_(caught|found|noticed)")
"""Names of the tests that break something, each by a parameter, and see that the test of it notices."""

DAILY = 5
"""One mutation in so many is tried every day, the others with the slow tests: what they prove, they prove once."""


def pytest_addoption(parser):
    parser.addoption("--only-apply-mutations", action="store_true", help=(
        "Only see whether what each mutation replaces is still in the source, those of the slow tests included: tests "
        "are skipped where it is, and fail where it is not."))


def pytest_configure(config):
    """Before any test module takes a function from there; and what tests start can be interrupted, though a shell that
    put this into the background said it should not.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if config.option.only_apply_mutations:
        config.option.markexpr = ""
        mutation = importlib.import_module("dojang_sim.benches.mutation")

        def apply(module, old, new, users=()):
            mutation.source_with(module, old)
            pytest.skip("it applies")

        mutation.mutate = apply


@pytest.hookimpl(tryfirst=True)   # before tests are chosen by their marks
def pytest_collection_modifyitems(config, items):
    """Files of few long tests begin: begun last, one of them would keep one worker busy while the other has none."""
    if config.option.only_apply_mutations:
        items[:] = [item for item in items if BROKEN.search(item.originalname)
                    and MUTATES.search(inspect.getsource(item.module))]
    root = Path(__file__).parent
    for item in items:
        name = item.nodeid.partition("::")[2]
        if MUTATIONS.match(item.originalname) and zlib.crc32(name.encode()) % DAILY:
            item.add_marker(pytest.mark.slow)

    def place(item):
        folder = item.path.relative_to(root).parts[0]
        return FOLDERS.index(folder) if folder in FOLDERS else len(FOLDERS)

    items.sort(key=place)
