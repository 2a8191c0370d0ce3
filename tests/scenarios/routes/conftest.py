"""A pylb whose routes come from elsewhere than its command line, and a Consul to declare them in."""

import pytest

from tests.scenarios.processes.program import Program
from tests.scenarios.routes.catalog import Declaring


@pytest.fixture
async def program(tmp_path):
    """Makes a pylb; it is not started yet."""
    made = []

    def make(*arguments, **options):
        made.append(Program(tmp_path, *arguments, **options))
        return made[-1]

    yield make
    for one in made:
        await one.__aexit__()


@pytest.fixture
def declaring(own_consul):
    """A Consul for one test alone, in which services declare routes."""
    return Declaring(own_consul)
