"""The fixture that gives a test a pylb with all its processes."""

import pytest


@pytest.fixture
async def program(tmp_path):
    """Makes a pylb; it is not started yet."""
    # Imported here, since fast tests do without it.
    from tests.scenarios.processes.program import Program

    made = []

    def make(*arguments, **options):
        made.append(Program(tmp_path, *arguments, **options))
        return made[-1]

    yield make
    for one in made:
        await one.__aexit__()
