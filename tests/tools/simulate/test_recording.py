"""A recorded access log: what counts of it, and how a bad one is named."""

import orjson
import pytest

from pylb.errors import UsageError
from pylb.tools.simulate.recording import read_recording


def line(time, duration, head, attempts=1):
    attempts = [{"head_ms": 999.0}] * (attempts - 1) + [{"head_ms": head}] if attempts else []
    return orjson.dumps(
        {"time": f"2026-11-22T10:00:0{time}Z", "duration_ms": duration, "attempts": attempts},
        option=orjson.OPT_APPEND_NEWLINE,
    )


@pytest.fixture
def log(tmp_path):
    def write(*lines):
        path = tmp_path / "access.json"
        path.write_bytes(b"".join(lines))
        return str(path)

    return write


def test_requests_are_sorted_by_arrival(log):
    recording = read_recording(log(line(1.200, 100, 30.0), line(1.300, 300, 250.0, attempts=2)))
    assert recording.arrivals == (0.0, pytest.approx(0.1, rel=1e-4))
    assert recording.services == (0.25, 0.03)


def test_requests_without_a_response_are_skipped(log):
    recording = read_recording(log(line(1, 10, None), line(2, 10, 5.0), line(3, 1, 0, attempts=0)))
    assert recording.services == (0.005,)


def test_an_invalid_line_is_named(log):
    with pytest.raises(
        UsageError, match=r"access.json: line 2: expected a line of pylb's access log in JSON"
    ):
        read_recording(log(line(1, 10, 5.0), b'10.0.0.1 - - "GET / HTTP/1.1"\n'))
    with pytest.raises(UsageError, match=r"expected requests with a response, found none"):
        read_recording(log())
    with pytest.raises(UsageError, match=r"--log /nowhere/at/all: No such file"):
        read_recording("/nowhere/at/all")
