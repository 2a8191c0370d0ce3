import os
import threading

import pytest

from pylb.ipc.state_file import HEADER, StateFile
from pylb.ipc.update import Update
from pylb.model import Endpoint, PoolState


@pytest.fixture
def state():
    made = StateFile.create()
    yield made
    for descriptor in made.descriptors:
        os.close(descriptor)


def update(generation, size=1):
    endpoints = tuple(Endpoint("web", f"10.0.{n // 250}.{n % 250}", 80, id=str(n)) for n in range(size))
    return Update("web", 1, {}, PoolState("web", endpoints, generation=generation))


def write(state, generation, size=1):
    state.write({"web": update(generation, size).to_bytes()}, {"used": generation}, {"found": []})


def test_an_empty_file_has_no_state(state):
    assert state.read() is None


def test_the_part_of_control_can_be_read_separately(state):
    assert state.read_control() is None
    state.write({"web": b'{"colour": "blue"}'}, {}, {"overrides": [1]})
    assert state.read_control() == {"overrides": [1]}


def test_every_process_can_read_the_last_state(state):
    for generation in range(1, 6):
        write(state, generation, size=generation * 100)
        for reader in (state, StateFile(state.descriptors)):
            read = reader.read()
            assert read.updates == (update(generation, generation * 100),)
            assert (read.counters, read.control) == ({"used": generation}, {"found": []})
    StateFile(state.descriptors).write({}, {"used": 9}, {})
    assert state.read().counters == {"used": 9}, "and a successor goes on"


def test_two_writers_that_take_turns_lose_nothing(state):
    other = StateFile(state.descriptors)
    for generation, writer in enumerate((state, state, other, state, other, other, state, state), 1):
        write(writer, generation)
        assert StateFile(state.descriptors).read().counters == {"used": generation}


def test_a_write_reads_no_more_than_the_headers(state, monkeypatch):
    write(state, 1, size=100)
    write(state, 2, size=100)
    read, pread = [], os.pread
    monkeypatch.setattr(os, "pread", lambda fd, length, at: read.append(length) or pread(fd, length, at))
    write(state, 3, size=100)
    assert sum(read) == 2 * HEADER.size


@pytest.mark.parametrize("cut", [0, 1, 8, HEADER.size, HEADER.size + 5, HEADER.size + 200])
def test_a_partial_write_leaves_the_previous_state(state, cut, monkeypatch):
    write(state, 1)
    write(state, 2)
    pwrite = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, at: pwrite(fd, data[:cut], at))
    write(state, 33)
    assert state.read().counters == {"used": 2}
    monkeypatch.undo()
    write(state, 4)
    assert state.read().counters == {"used": 4}
    write(state, 5)
    assert state.read().counters == {"used": 5}


def test_a_reader_never_receives_a_mixed_state(state):
    write(state, 1)
    over = threading.Event()

    def writing():
        for generation in range(2, 300):
            write(state, generation, size=generation % 50)
        over.set()

    thread = threading.Thread(target=writing)
    thread.start()
    last = 0
    while not over.is_set():
        read = StateFile(state.descriptors).read()
        assert read.updates[0].generation == read.counters["used"] >= last
        last = read.counters["used"]
    thread.join()
    assert state.read().counters == {"used": 299}
