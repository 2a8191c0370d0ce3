import os

import pytest

from pylb.control.takeover import take_over
from pylb.ipc.state_file import StateFile


class Control:
    """Takes what it is given, or does not understand it."""

    def __init__(self, error=None):
        self.taken = []
        self.error = error

    def take_over(self, former):
        if self.error:
            raise self.error
        self.taken.append(former)


@pytest.fixture
def state():
    made = StateFile.create()
    yield made
    for descriptor in made.descriptors:
        os.close(descriptor)


def test_the_state_file_is_taken_over(state):
    control = Control()
    take_over(control, state.descriptors)
    take_over(control, [])
    assert control.taken == [], "there was nothing yet"
    state.write({}, {}, {"overrides": []})
    take_over(control, state.descriptors)
    assert control.taken == [{"overrides": []}]


@pytest.mark.parametrize(
    "error", [KeyError("history"), TypeError("colour"), ValueError("x"), AttributeError("y")]
)
def test_a_state_of_another_version_is_not_used(state, caplog, error):
    state.write({}, {}, {})
    take_over(Control(error), state.descriptors)
    state.write({}, {}, {"overrides": []})
    take_over(Control(error), state.descriptors)
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "cannot be read" in record.getMessage()
