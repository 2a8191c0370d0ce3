"""Responses by instance, counted in one process or in several."""

from bench.load.hits import Hits, InstanceHits


def test_counts_of_several_processes_add_up():
    worker, other, master = Hits(), Hits(), Hits()
    for now in (5.0, 6.0):
        worker.count("web-1", now)
    other.count("web-1", 4.0)
    other.count("web-2", 9.0)
    for each in (worker, other):
        master.add(each.take())
    assert master.by_instance == {"web-1": InstanceHits(3, 4.0, 6.0), "web-2": InstanceHits(1, 9.0, 9.0)}


def test_a_count_is_reported_once():
    worker = Hits()
    worker.count("web-1", 5.0)
    assert worker.take() == {"web-1": (1, 5.0, 5.0)}
    assert worker.take() == {}
    worker.count("web-1", 7.0)
    assert worker.take() == {"web-1": (1, 7.0, 7.0)}
