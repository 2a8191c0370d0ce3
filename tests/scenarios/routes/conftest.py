"""A Consul in which services declare routes."""

import pytest

from tests.scenarios.routes.catalog import Declaring


@pytest.fixture
def declaring(own_consul):
    """A Consul for one test alone, in which services declare routes."""
    return Declaring(own_consul)
