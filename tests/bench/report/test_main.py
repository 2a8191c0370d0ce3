"""Which measurements are due."""

from dataclasses import asdict

import pytest

from bench.lib.machine import Machine
from bench.report.__main__ import due, main, parse
from bench.report.measurements import MEASUREMENTS
from bench.report.record import Record

MACHINE = Machine("AMD EPYC", 2, 23.5, "6.18", "3.11.7", load_average=0.5)
MEMORY = next(each for each in MEASUREMENTS if each.name == "memory")


@pytest.fixture
def names(tmp_path):
    """The names of those that are due for a command line; there is one of memory."""
    record = Record(MEMORY.arguments(quick=False), "", 1, {"machine": asdict(MACHINE)})
    record.save(tmp_path / "memory.json")
    return lambda *arguments: [each.name for each in due(parse(arguments), tmp_path, MACHINE)]


def test_what_is_there_is_not_measured_again(names):
    assert names() == [each.name for each in MEASUREMENTS if each is not MEMORY]
    assert names("--only", "memory") == []


def test_unless_that_is_wanted_or_its_settings_are_others(names):
    assert names("--only", "memory", "--again") == ["memory"]
    assert names("--only", "memory", "--quick") == ["memory"]


def test_writing_needs_no_measurements(names):
    assert names("--write") == []


def test_an_unknown_name_is_refused(capsys):
    with pytest.raises(SystemExit):
        main(["--only", "speed"])
    assert "got 'speed', expected names out of requests, " in capsys.readouterr().err
