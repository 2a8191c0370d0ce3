"""Measurements are processes; those of this test take no time."""

import os
import signal
import threading

import pytest

from bench.lib.options import interrupt_on_signals
from bench.report.record import Record
from bench.report.run import MeasureError, measure

FIGURES = '{"machine": {}, "cpu": 7}'


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Creates a module for `python -m` and returns its name."""
    monkeypatch.setattr("bench.report.run.REPOSITORY", tmp_path)

    def make(body):
        (tmp_path / "measures.py").write_text(f"import pathlib, signal, sys\n{body}\n")
        return "measures"

    return make


def test_figures_become_a_record(program, tmp_path):
    name = program(f"print(sys.argv); pathlib.Path(sys.argv[-1]).write_text('{FIGURES}'); sys.exit(1)")
    passed = []
    measure([name, "--rounds", "1"], tmp_path / "cpu.json", passed.append)
    record = Record.load(tmp_path / "cpu.json")
    assert (record.arguments, record.result["cpu"]) == (["measures", "--rounds", "1"], 7)
    assert passed


def test_the_error_quotes_the_output_of_a_measurement_without_figures(program, tmp_path):
    name = program("sys.exit('no wrk here')")
    with pytest.raises(MeasureError, match="python -m measures wrote no figures: no wrk here"):
        measure([name], tmp_path / "cpu.json", lambda _: None)
    assert not (tmp_path / "cpu.json").exists()


def test_an_interrupted_measurement_is_stopped_and_not_stored(program, tmp_path):
    note = tmp_path / "note"
    os.mkfifo(note)
    name = program(
        f"def end(*_): pathlib.Path('ended').touch(); pathlib.Path(sys.argv[-1]).write_text('{FIGURES}')\n"
        f"signal.signal(signal.SIGINT, end); pathlib.Path({str(note)!r}).write_text('ready'); signal.pause()"
    )

    def interrupt():
        assert note.read_text() == "ready"
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with interrupt_on_signals(), pytest.raises(KeyboardInterrupt):
        measure([name], tmp_path / "cpu.json", lambda _: None)
    assert (tmp_path / "ended").exists()
    assert not (tmp_path / "cpu.json").exists()
