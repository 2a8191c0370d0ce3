"""One test for many cases: `every` in place of `pytest.mark.parametrize`.

pytest spends 2 ms on each test: fixtures, captured output, reports, the search for errors afterwards. A
check of one value takes microseconds. `every` runs such a check on all cases in one test. All cases run.
Each failed case adds an exception to the group that the test raises, with a note that names the case.

A check that awaits, uses a fixture with state, or takes milliseconds is parametrised by pytest.
"""

import functools
import inspect
from collections.abc import Callable, Collection

import pytest


def every(names: str | tuple[str, ...], cases: Collection, ids: Callable[[object], str] = repr):
    """Run the decorated test on each of the cases.

    Args:
        names: the parameters that a case supplies: one, or several as a tuple.
        cases: values; tuples of values for several parameters.
        ids: names a case that failed.
    """

    single = isinstance(names, str)
    parameters = (names,) if single else names

    def decorate(check):
        @functools.wraps(check)
        def test(*args, **fixtures):
            failed = []
            for case in cases:
                values = dict(zip(parameters, (case,) if single else case, strict=True))
                try:
                    check(*args, **values, **fixtures)
                except (Exception, pytest.fail.Exception) as error:
                    error.add_note(f"case: {ids(case)}")
                    failed.append(error)
            if failed:
                raise BaseExceptionGroup(f"{len(failed)} of {len(cases)} cases", failed)

        signature = inspect.signature(check)
        others = [parameter for name, parameter in signature.parameters.items() if name not in parameters]
        test.__signature__ = signature.replace(parameters=others)
        return test

    return decorate
