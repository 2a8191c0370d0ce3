"""Which measurements are made."""

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
    """The measurements that a command line makes, with one stored record, of memory."""
    record = Record(MEMORY.arguments(quick=False), "", 1, {"machine": asdict(MACHINE)})
    record.save(tmp_path / "memory.json")
    return lambda *arguments: [each.name for each in due(parse(arguments), tmp_path, MACHINE)]


def test_a_stored_measurement_is_not_repeated(names):
    assert names() == [each.name for each in MEASUREMENTS if each is not MEMORY]
    assert names("--only", "memory") == []


def test_a_stored_measurement_is_repeated_on_request_or_with_other_settings(names):
    assert names("--only", "memory", "--again") == ["memory"]
    assert names("--only", "memory", "--quick") == ["memory"]


def test_write_makes_no_measurement(names):
    assert names("--write") == []


def test_an_unknown_name_is_an_error(capsys):
    with pytest.raises(SystemExit):
        main(["--only", "speed"])
    assert "got 'speed', expected names out of requests, " in capsys.readouterr().err
