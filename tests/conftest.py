"""Fixtures that every test may ask for; each family lives in a plugin module of its own."""

pytest_plugins = ["tests.consul_agent", "tests.engines"]
