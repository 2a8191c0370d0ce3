"""A coroutine that callbacks resume, without a connection."""

import asyncio
from math import inf
from time import monotonic

import pytest

from pylb.errors import Fault, Phase
from pylb.proxy.driven import Driven
from pylb.proxy.transfer import EVENT


class Example(Driven):
    """Stores the attributes that `Driven` uses."""

    def __init__(self, coroutine):
        self.deadline = self.latest_deadline = inf
        self.expired = self.progressed = self.lost = self.cut_off = self.write_paused = False
        self.timeout = 0.0
        self.taken = self.read = 0
        self.aborted = 0
        self._busy = False
        self._run_on = coroutine.send

    def abort(self):
        self.aborted += 1

    def acknowledged(self):
        return self.read


def counting(seen):
    async def run():
        for number in range(3):
            seen.append(number)
            await EVENT

    return run()


def test_each_call_runs_to_the_next_wait():
    seen = []
    example = Example(counting(seen))
    for number in range(3):
        example.wake()
        assert seen == list(range(number + 1))
    for _ in range(3):
        example.wake()  # It has ended.
    assert seen == [0, 1, 2]
    assert example.aborted == 0


def test_a_call_from_within_changes_nothing():
    seen = []

    async def run():
        seen.append("begun")
        example.wake()
        await EVENT
        seen.append("resumed")

    example = Example(run())
    example.wake()
    assert seen == ["begun"]
    example.woken(None)
    assert seen == ["begun", "resumed"]


@pytest.mark.logs_error("a defect ended a client's connection")
def test_a_defect_is_logged_and_ends_it(caplog):
    async def run():
        raise LookupError("a defect")

    example = Example(run())
    example.wake()
    example.wake()
    assert example.aborted == 1
    assert caplog.text.count("a defect ended a client's connection") == 1


async def test_it_can_yield_to_the_others():
    seen = []

    async def run():
        seen.append("before")
        await example.next_iteration()
        seen.append("after")

    example = Example(run())
    example.wake()
    assert seen == ["before"]
    await asyncio.sleep(0)
    assert seen == ["before", "after"]


def idle():
    example = Example(counting([]))
    example.wake()
    return example


def test_progress_moves_the_deadline_up_to_the_latest():
    example = idle()
    example.set_deadline(100.0, 10.0)
    example.progressed = True
    example.moved(105.0)
    assert (example.deadline, example.progressed) == (115.0, False)
    example.latest_deadline = 112.0
    example.moved(106.0)
    assert example.deadline == 112.0


def test_a_slow_client_makes_progress_if_it_reads_its_quota():
    example = idle()
    example.set_deadline(0.0, 10.0)
    example.expired = True
    example.read = 99
    assert not example.makes_progress(100)
    example.read += 100
    assert example.makes_progress(100)
    assert not example.expired
    assert example.deadline > monotonic()


def test_a_quota_of_nothing_still_asks_for_a_byte():
    assert not idle().makes_progress(0)


def test_the_error_of_a_lost_client_names_the_phase_and_the_shutdown():
    example = idle()
    assert (example.lost_error(Phase.DATA).phase, example.lost_error(Phase.DATA).fault) == (
        Phase.DATA,
        Fault.CLIENT,
    )
    example.cut_off = True
    assert example.lost_error(Phase.HEADERS).fault is Fault.KILLED
