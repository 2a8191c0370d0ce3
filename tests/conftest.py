"""Fixtures that every test may ask for; each family lives in a plugin module of its own."""

import os

from hypothesis import settings

os.environ.setdefault("UV_USE_IO_URING", "0")  # as pylb.cli does, and for its reason

settings.register_profile("pylb", deadline=None)  # How fast a busy machine is says nothing about the code.
settings.load_profile("pylb")

pytest_plugins = ["tests.consul_agent", "tests.engines"]
