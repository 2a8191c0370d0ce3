"""The sinks of finished requests: none, the access log, a collector."""

import pytest

from pylb.config import Options, Url
from pylb.errors import Fault, Phase, ProxyError, StartError
from pylb.sinks.sinks import Sinks
from tests.observe.records import record

STATIC = {"static": "127.0.0.1:80"}


def count(_):
    """The function that is called without other sinks."""


def test_without_sinks_there_is_no_cost():
    sinks = Sinks(Options(**STATIC))
    assert sinks.beside(count) is count
    assert sinks.lines_dropped == 0
    sinks.reopen()
    sinks.close()


def test_lines_are_written_to_the_file_and_to_a_new_one_after_a_rotation(tmp_path):
    path = tmp_path / "access.log"
    sinks = Sinks(Options(**STATIC, access_log="combined", access_log_file=str(path)))
    counted = []
    observe = sinks.beside(counted.append)
    first, second = record(id=b"first"), record(id=b"second")
    observe(first)
    moved = path.rename(tmp_path / "access.log.1")
    sinks.reopen()
    sinks.close()
    # What was written before the file was opened again may be in either; nothing is in both.
    assert (moved.read_text() + path.read_text()).count('"first"') == 1
    later = Sinks(Options(**STATIC, access_log="combined", access_log_file=str(path)))
    later.beside(counted.append)(second)
    later.close()
    assert '"second"' in path.read_text(), "a file that is there is added to"
    assert counted == [first, second]


def test_an_unwritable_file_is_an_error_at_the_start(tmp_path):
    with pytest.raises(StartError, match=r"access log: cannot write .*/none/access.log: No such file"):
        Sinks(Options(**STATIC, access_log="json", access_log_file=str(tmp_path / "none/access.log")))


def test_a_sample_has_its_share_of_successes_and_every_failure(tmp_path):
    path = tmp_path / "access.log"
    options = Options(**STATIC, access_log="combined", access_log_file=str(path), access_log_sample=25)
    sinks = Sinks(options)
    observe = sinks.beside(count)
    left = record(id=b"left", status=499)
    left.ended(ProxyError(Phase.HEADERS, Fault.CLIENT, "the client left"))
    for _ in range(1000):
        observe(record(id=b"well"))
        observe(record(id=b"failed", status=500))
        observe(left)
    sinks.close()
    text = path.read_text()
    assert (text.count('"failed"'), text.count('"left"')) == (1000, 1000)
    assert 180 < text.count('"well"') < 320


def test_a_configured_collector_is_a_sink():
    sinks = Sinks(Options(**STATIC, otlp=Url("http", "127.0.0.1", 9)))
    assert sinks.beside(count) is not count
    sinks.close()
