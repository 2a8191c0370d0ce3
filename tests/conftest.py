"""Fixtures that every test may ask for; each family lives in a plugin module of its own."""

import gc
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("pylb", deadline=None)  # How fast a busy machine is says nothing about the code.
settings.register_profile("quick", deadline=None, max_examples=10, stateful_step_count=20)
"""For the inner loop, `make check`."""
settings.load_profile("pylb")

WHOLLY_SLOW = re.compile(r"^pytestmark = pytest\.mark\.slow$", re.MULTILINE)
"""What a file has in which each test is slow."""

pytest_plugins = ["tests.consul_agent", "tests.engines", "tests.error_log", "tests.programs"]


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """The inner loop does not import files without a fast test: some load the client of a browser."""
    is_test = collection_path.name.startswith("test_") and collection_path.suffix == ".py"
    fast_only = is_test and config.option.markexpr == "not slow"
    return (fast_only and WHOLLY_SLOW.search(collection_path.read_text()) is not None) or None


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[object]:
    """Collect tests without the garbage collector.

    Collection makes objects that last, and the collector would search them repeatedly, for a quarter of the
    CPU time of the collection.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(autouse=True)
def log_level_of_its_own():
    """A test may change the level of the log as an operator may, but not for the next test."""
    before = {name: logging.getLogger(name).level for name in ("pylb", "pylb.tools.demo")}
    yield
    for name, level in before.items():
        logger = logging.getLogger(name)
        if logger.level != level:  # Setting a level clears the caches of all loggers.
            logger.setLevel(level)
