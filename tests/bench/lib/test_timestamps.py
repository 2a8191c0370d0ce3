"""Timestamps that one process writes and another reads."""

from bench.lib.timestamps import Timestamps


def test_a_reader_of_the_same_file_gets_the_first_and_the_last_time(tmp_path):
    writer, reader = Timestamps(tmp_path / "stamps", 3), Timestamps(tmp_path / "stamps", 3)
    for now in (5.0, 6.0, 7.5):
        writer.mark(1, now)
    assert (reader.first(1), reader.last(1)) == (5.0, 7.5)
    assert (reader.first(0), reader.last(2)) == (0.0, 0.0)


def test_a_cleared_slot_records_again(tmp_path):
    timestamps = Timestamps(tmp_path / "stamps", 2)
    timestamps.mark(0, 1.0)
    timestamps.mark(1, 1.0)
    timestamps.forget(0)
    assert (timestamps.first(0), timestamps.last(0), timestamps.first(1)) == (0.0, 0.0, 1.0)
    timestamps.mark(0, 2.0)
    assert timestamps.first(0) == 2.0
