import pytest

from pylb.registry.registrator import RegistratorStatus
from pylb.registry.registrator_page import RegistratorPage


@pytest.fixture
def clock():
    return [100.0]


@pytest.fixture
async def show(aiohttp_client, clock):
    async def show(status):
        page = RegistratorPage(status, max_age=90.0, clock=lambda: clock[0])
        clock[0] = 150.0
        return await aiohttp_client(page.app())

    return show


async def test_healthy_after_a_recent_synchronization(show):
    answer = await (await show(RegistratorStatus(registered=3, synchronized=140.0))).get("/health")
    assert answer.status == 200
    assert await answer.json() == {
        "healthy": True,
        "registered": 3,
        "synchronized_seconds_ago": 10.0,
        "failure": "",
        "problems": [],
    }


async def test_healthy_for_some_time_after_the_start(show, clock):
    client = await show(RegistratorStatus())
    assert (await client.get("/health")).status == 200
    clock[0] = 191.0
    assert (await client.get("/health")).status == 503


async def test_unhealthy_with_a_reason(show, clock):
    client = await show(RegistratorStatus(synchronized=100.0, failure="Consul: refused"))
    clock[0] = 200.0
    answer = await client.get("/health")
    assert answer.status == 503
    assert (await answer.json())["failure"] == "Consul: refused"


async def test_metrics(show):
    status = RegistratorStatus(3, 5, 2, 1, 149.0, problems=("x",))
    text = await (await (await show(status)).get("/metrics")).text()
    samples = dict(line.split() for line in text.splitlines() if not line.startswith("#"))
    assert samples == {
        "pylb_registrator_services": "3.0",
        "pylb_registrator_problems": "1.0",
        "pylb_registrator_age_seconds": "1.0",
        "pylb_registrator_registrations_total": "5.0",
        "pylb_registrator_deregistrations_total": "2.0",
        "pylb_registrator_failures_total": "1.0",
    }
