import pytest

from tests.scenarios.processes.program import Program


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
