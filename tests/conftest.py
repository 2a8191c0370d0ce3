"""Fixtures that every test may ask for; each family lives in a plugin module of its own."""

import logging

import pytest
from hypothesis import settings

settings.register_profile("pylb", deadline=None)  # How fast a busy machine is says nothing about the code.
settings.register_profile("quick", deadline=None, max_examples=20, stateful_step_count=20)
"""For the inner loop, `make check`."""
settings.load_profile("pylb")

pytest_plugins = ["tests.consul_agent", "tests.engines", "tests.error_log"]


@pytest.fixture(autouse=True)
def log_level_of_its_own():
    """A test may change the level of the log as an operator may, but not for the next test."""
    before = {name: logging.getLogger(name).level for name in ("pylb", "pylb.tools.demo")}
    yield
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)
