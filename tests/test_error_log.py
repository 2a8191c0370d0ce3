"""A test that causes an error fails, in whichever way the error shows."""

import pytest

pytest_plugins = ["pytester"]

BEGINNING = """
import asyncio
import gc
import logging

import pytest

from tests.error_log import check_output

"""

UNUSED = ["asyncio", "aiohttp", "anyio", "benchmark", "hypothesispytest", "schemathesis", "xdist"]
WITHOUT = [f"-pno:{plugin}" for plugin in UNUSED]
"""Plugins that these tests do not need; each would be loaded again for each of them."""


@pytest.fixture
def outcomes(pytester):
    """Run tests with the plugin; return how many passed, how many ended in an error, and the output."""
    pytester.makeconftest('pytest_plugins = ["tests.error_log"]')

    def run(source):
        pytester.makepyfile(BEGINNING + source)
        result = pytester.runpytest_inprocess(*WITHOUT)
        counted = result.parseoutcomes()
        return counted.get("passed", 0), counted.get("errors", 0), str(result.stdout)

    return run


@pytest.mark.parametrize(
    "provoke",
    [
        'logging.getLogger("pylb.proxy").error("a defect")',
        'logging.getLogger("asyncio").critical("a defect")',
        "check_output(['2026-01-01 00:00:00,000 ERROR   [1] pylb: a defect'])",
        "check_output(['Traceback (most recent call last):'])",
    ],
)
def test_an_error_record_fails_the_test_that_caused_it_and_no_other(outcomes, provoke):
    passed, errors, output = outcomes(f"def test_one():\n    {provoke}\n\ndef test_other():\n    pass\n")
    assert (passed, errors) == (2, 1)
    assert "ERROR at teardown of test_one" in output


def test_an_exception_that_python_can_only_print_fails_the_test(outcomes):
    source = """
class Broken:
    def __init__(self):
        self.itself = self

    def __del__(self):
        raise ValueError("cannot be raised")

def test_one():
    Broken()
"""
    passed, errors, output = outcomes(source)
    assert (passed, errors) == (1, 1)
    assert "ValueError('cannot be raised')" in output


def test_an_exception_of_a_task_that_is_not_retrieved_fails_the_test(outcomes):
    source = """
async def crash():
    raise ValueError("not retrieved")

async def run():
    task = asyncio.get_running_loop().create_task(crash())
    await asyncio.sleep(0)

def test_one():
    asyncio.run(run())
"""
    passed, errors, output = outcomes(source)
    assert (passed, errors) == (1, 1)
    assert "Task exception was never retrieved" in output


@pytest.mark.parametrize(
    ("message", "errors"), [("as declared", 0), ("another one", 1), ("", 1), ("as declared, and more", 0)]
)
def test_a_declared_error_is_required_and_no_other_is_accepted(outcomes, message, errors):
    source = f"""
@pytest.mark.logs_error("as declared")
def test_one():
    if {message!r}:
        logging.getLogger("pylb").error({message!r})
"""
    assert outcomes(source)[:2] == (1, errors)
