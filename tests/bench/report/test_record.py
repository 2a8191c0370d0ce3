from dataclasses import asdict, replace

from bench.lib.machine import Machine
from bench.report.record import Record

MACHINE = Machine("AMD EPYC", 2, 23.5, "6.18", "3.11.7", load_average=0.5)
ARGUMENTS = ["bench.hotpath", "--rounds", "5"]
RECORD = Record(ARGUMENTS, "2026-11-22 21:15", 400, {"machine": asdict(MACHINE)})


def test_a_saved_record_can_be_loaded(tmp_path):
    assert Record.load(tmp_path / "requests.json") is None
    RECORD.save(tmp_path / "requests.json")
    assert Record.load(tmp_path / "requests.json") == RECORD


def test_a_record_is_reused_for_the_same_settings_on_the_same_machine():
    assert RECORD.answers(ARGUMENTS, MACHINE)
    assert RECORD.answers(ARGUMENTS, replace(MACHINE, load_average=7.0))
    assert not RECORD.answers([*ARGUMENTS, "--seconds", "2"], MACHINE)
    assert not RECORD.answers(ARGUMENTS, replace(MACHINE, cores=4))
