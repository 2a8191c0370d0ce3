"""What the contract cannot see or would wait too long for."""

import asyncio

import aiohttp
import pytest

from pylb.registry.embedded import checks
from pylb.registry.embedded.checks import Probe, TimeToLive, http_attempt, tcp_attempt
from pylb.registry.embedded.definitions import CheckDefinition


class Reports(list):
    """What was reported, and a way to wait for the next."""

    def __init__(self) -> None:
        self.arrived = asyncio.Event()

    def __call__(self, status: str, output: str) -> None:
        self.append((status, output))
        self.arrived.set()

    async def reach(self, count: int) -> None:
        async with asyncio.timeout(5):
            while len(self) < count:
                self.arrived.clear()
                await self.arrived.wait()


@pytest.fixture
async def reports():
    return Reports()


async def test_an_expired_ttl_is_reported_once(reports):
    check = TimeToLive(CheckDefinition(id="t", ttl=0.01), reports)
    check.start()
    await reports.reach(1)
    assert reports == [("critical", "TTL expired")]
    check.set_status("passing", "here")
    await reports.reach(3)
    assert reports[1:] == [
        ("passing", "here"),
        ("critical", "TTL expired (last output before timeout follows): here"),
    ]


async def test_a_stopped_ttl_does_not_expire(reports):
    stopped, running = (TimeToLive(CheckDefinition(id="t", ttl=ttl), reports) for ttl in (0.01, 0.03))
    for check in (stopped, running):
        check.start()
    stopped.stop()
    await reports.reach(1)
    await asyncio.sleep(0)
    assert len(reports) == 1


@pytest.fixture
def impatient(monkeypatch):
    """Lets probes look a thousand times a second."""
    monkeypatch.setattr(checks, "MIN_INTERVAL", 0.001)


async def probed(reports, statuses, expected, **definition):
    """The reports of a probe that finds these statuses one after the other, and then the last for ever."""
    remaining = list(statuses)

    async def attempt():
        status = remaining.pop(0) if len(remaining) > 1 else remaining[0]
        return status, ""

    probe = Probe(CheckDefinition(id="p", interval=0.001, **definition), attempt, reports)
    probe.start()
    await reports.reach(expected)
    probe.stop()
    return [status for status, _ in reports[:expected]]


P, W, C = "passing", "warning", "critical"


async def test_every_result_is_reported(impatient, reports):
    assert await probed(reports, [P, C, W, P], 4) == [P, C, W, P]


async def test_a_status_changes_after_the_configured_number_of_results(impatient, reports):
    found = [P, C, C, P, C, C, C, P, C, P, P, W]
    believed = [P, P, C, P, W]
    needed = {"success_before_passing": 2, "failures_before_critical": 3}
    assert await probed(reports, found, len(believed), **needed) == [P, C, P, W, W]


async def test_a_stopped_probe_sends_nothing(impatient, reports):
    polls = 0

    async def attempt():
        nonlocal polls
        polls += 1
        return P, ""

    probe = Probe(CheckDefinition(id="p", interval=0.001), attempt, reports)
    probe.start()
    await reports.reach(2)
    probe.stop()
    before = polls
    other = Probe(CheckDefinition(id="q", interval=0.001), attempt, Reports())
    other.stop()
    await asyncio.sleep(0.02)
    assert polls == before


NO_TARGETS = [
    "",
    "x",
    ":",
    "::",
    "127.0.0.1:",
    "127.0.0.1:99999",
    "127.0.0.1:port",
    "a\0b:1",
    f"{'x' * 300}.test:1",
]


@pytest.mark.parametrize("target", NO_TARGETS)
async def test_a_failed_connection_is_critical(target):
    status, output = await tcp_attempt(CheckDefinition(tcp=target))()
    assert status == "critical"
    assert output.startswith("dial tcp")


@pytest.mark.parametrize(
    "target", [*NO_TARGETS, "http://", "ftp://127.0.0.1/", "http://127.0.0.1:99999/", "http://a b/"]
)
@pytest.mark.parametrize("more", [{}, {"method": "GE T"}, {"header": {"X": ["a\r\nb"]}}])
async def test_a_failed_request_is_critical(target, more):
    async with aiohttp.ClientSession() as session:
        status, output = await http_attempt(CheckDefinition(http=target, **more), session)()
    assert status == "critical"
    assert f'"{target}": ' in output
