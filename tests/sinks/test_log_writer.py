import os
import time
from contextlib import suppress

import pytest

from pylb.sinks import log_writer
from pylb.sinks.log_writer import BACKLOG, BATCH, LogWriter

LINE = b"x" * 199 + b"\n"


@pytest.fixture(autouse=True)
def _short_batches(monkeypatch):
    monkeypatch.setattr(log_writer, "GATHER", 0.02)


@pytest.fixture
def pipe():
    reading, writing = os.pipe()
    yield reading, writing
    for descriptor in (reading, writing):
        with suppress(OSError):
            os.close(descriptor)


def read(reading, size):
    data = b""
    while len(data) < size:
        data += os.read(reading, size - len(data))
    return data


def until(condition, seconds=5.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_lines_are_written_completely_and_in_order(pipe):
    reading, writing = pipe
    writer = LogWriter(writing)
    lines = [b"line %d\n" % number for number in range(1000)]
    for line in lines:
        writer.write(line)
    everything = b"".join(lines)
    assert read(reading, len(everything)) == everything
    writer.write(b"later\n")
    assert read(reading, 6) == b"later\n"
    assert writer.dropped == 0
    writer.close()


def test_few_lines_are_batched_and_many_are_written_immediately(pipe, monkeypatch):
    monkeypatch.setattr(log_writer, "GATHER", 3600.0)
    reading, writing = pipe
    writer = LogWriter(writing)
    writer.write(LINE)
    os.set_blocking(reading, False)
    with pytest.raises(BlockingIOError):
        os.read(reading, 1)
    os.set_blocking(reading, True)
    number = BATCH // len(LINE) + 2
    for _ in range(number):
        writer.write(LINE)
    assert read(reading, BATCH) == (LINE * number)[:BATCH]
    writer.close()


def test_closing_writes_pending_lines(pipe, monkeypatch):
    monkeypatch.setattr(log_writer, "GATHER", 3600.0)
    reading, writing = pipe
    writer = LogWriter(writing)
    writer.write(LINE)
    writer.close()
    os.close(writing)
    assert os.read(reading, 1000) == LINE


@pytest.mark.parametrize("blocking", [True, False])
def test_a_blocked_reader_loses_lines_and_delays_nothing(pipe, caplog, blocking):
    reading, writing = pipe
    os.set_blocking(writing, blocking)
    writer = LogWriter(writing)
    number = 2 * BACKLOG // len(LINE)
    for sent in range(number):
        writer.write(b"%09d %b" % (sent, LINE))
    assert 0.3 * number < writer.dropped < 0.7 * number
    assert [r.getMessage() for r in caplog.records] == [
        "access log: the reader is too slow; dropping lines until it has caught up"
    ]
    kept = number - writer.dropped
    received = read(reading, kept * (len(LINE) + 10)).splitlines()
    assert [int(line.split()[0]) for line in received] == list(range(kept)), "the oldest are kept, whole"
    until(lambda: len(caplog.records) == 2)
    assert caplog.records[1].getMessage() == f"access log: {number - kept} lines were dropped since the start"
    writer.write(b"well again\n")
    assert read(reading, 11) == b"well again\n"
    writer.close()


@pytest.mark.logs_error(r"dropping lines: .* Broken pipe")
def test_closing_does_not_wait_for_a_blocked_reader(pipe):
    reading, writing = pipe
    writer = LogWriter(writing)
    for _ in range(BACKLOG // len(LINE)):
        writer.write(LINE)
    started = time.monotonic()
    writer.close(timeout=0.05)
    assert time.monotonic() - started < 1.0
    os.close(reading)
    writer.close()


@pytest.mark.logs_error(r"dropping lines: .* Broken pipe")
def test_a_closed_reader_is_logged_once(pipe, caplog):
    reading, writing = pipe
    os.close(reading)
    writer = LogWriter(writing)
    writer.write(LINE)
    until(lambda: writer.dropped == 1)
    writer.write(LINE)
    until(lambda: writer.dropped == 2)
    writer.close()
    assert [r.getMessage() for r in caplog.records] == ["access log: dropping lines: [Errno 32] Broken pipe"]


@pytest.mark.logs_error(r"access log: dropping lines: ")
def test_a_line_that_cannot_be_written_does_not_end_the_writer(pipe, caplog):
    reading, writing = pipe
    writer = LogWriter(writing)
    writer.write("a defect")
    until(lambda: writer.dropped == 1)
    writer.write(LINE)
    assert read(reading, len(LINE)) == LINE
    writer.close()
    (record,) = caplog.records
    assert record.getMessage().startswith("access log: dropping lines: sequence item 0")
