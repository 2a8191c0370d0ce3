import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import orjson
import pytest

from pylb.config.backends import Health
from pylb.discovery.probes.prober import Prober
from pylb.discovery.probes.result import Result
from pylb.discovery.probes.rules import ProbeRules
from pylb.model import Endpoint, Excluded, Snapshot
from pylb.policy.backend import State
from tests.until import until

WELL, ILL = Result(well=True), Result(well=False, why="GET /: 503")
WEB = [Endpoint("web", "10.0.0.1", 80 + n, id=f"web-{n}") for n in range(4)]


class Service:
    """Scripted instances: what each answers, and what is made of it."""

    def __init__(self, remembered=(), **rules):
        self.answers = {}
        self.asked = []
        self.causes = []
        self.states = {}
        self.closed = False
        rules = {"probe_http": "/", "probe_interval": 0.01} | rules
        self.rules = ProbeRules(Health(**rules))
        self.prober = Prober(lambda _: self.rules, self, self.changed, self.state_of, remembered=remembered)

    async def probe(self, endpoint, how, _rules):
        self.asked.append((endpoint.id, how))
        return self.answers.get(endpoint.id, WELL)

    async def close(self):
        self.closed = True

    def changed(self, service, cause):
        self.causes.append(cause)
        self.overlays = self.prober.follow(self.snapshot)

    def state_of(self, endpoint):
        return self.states.get(endpoint.id, State.UP)

    def register(self, *endpoints, excluded=()):
        self.snapshot = Snapshot("web", endpoints, tuple(Excluded(e, "critical") for e in excluded))
        self.overlays = self.prober.follow(self.snapshot)

    @property
    def failed(self):
        return [key[-1] for key, overlay in self.overlays.items() if overlay.failed]

    def count(self, name):
        return sum(asked == name for asked, _ in self.asked)

    @asynccontextmanager
    async def running(self):
        task = asyncio.get_running_loop().create_task(self.prober.run())
        yield
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_failures_and_recoveries_give_verdicts():
    service = Service()
    service.register(*WEB[:3])
    async with service.running():
        service.answers["web-1"] = ILL
        await until(lambda: service.failed == ["web-1"])
        service.answers.clear()
        await until(lambda: service.failed == [])
        assert service.causes == ["probes: web-1 fails", "probes: web-1 passes"]
    assert service.closed


async def test_probes_continue_across_snapshots():
    service = Service()
    service.answers["web-0"] = ILL
    service.register(*WEB[:2])
    async with service.running():
        await until(lambda: service.failed)
        for number in range(5):
            service.register(replace(WEB[0], tags=(f"v{number}",)), WEB[1])
            assert service.failed == ["web-0"]
        service.register(WEB[1], excluded=WEB[:1])
        service.register(*WEB[:2])
        assert service.failed == ["web-0"]


async def test_probes_of_removed_instances_stop_and_a_new_address_is_a_new_instance():
    service = Service()
    service.answers["web-0"] = ILL
    service.register(*WEB[:2])
    async with service.running():
        await until(lambda: service.failed)
        service.register(replace(WEB[0], address="10.0.0.9"), WEB[1])
        assert service.failed == []
        service.register(WEB[1])
        await until(lambda: service.count("web-1") > 3)
        service.asked.clear()
        await until(lambda: service.count("web-1") > 5)
        assert service.count("web-0") == 0


async def test_an_instance_may_be_removed_during_a_probe():
    """However its last question and its leaving fall together, the others are asked on and on."""
    service = Service(probe_interval=0.001, probe_fall=1)
    service.answers["web-0"] = ILL
    async with service.running():
        for _ in range(100):
            service.register(*WEB[:2])
            asked = service.count("web-0")
            await until(lambda: service.count("web-0") > asked)  # noqa: B023
            service.register(WEB[1])
        asked = service.count("web-1")
        await until(lambda: service.count("web-1") > asked + 3)
        assert service.prober.remember() == []


async def test_an_instance_can_set_its_probe():
    service = Service()
    service.register(WEB[0], replace(WEB[1], probe="tcp"), replace(WEB[2], probe=""))
    async with service.running():
        await until(lambda: {"web-0", "web-1"} <= {name for name, _ in service.asked})
        assert set(service.asked) == {("web-0", "/"), ("web-1", "tcp")}
        assert [(key[-1], overlay.probe) for key, overlay in service.overlays.items()] == [
            ("web-0", "/"),
            ("web-1", "tcp"),
        ]


async def test_instances_in_maintenance_or_without_address_are_not_probed():
    service = Service()
    service.register(WEB[0], excluded=[replace(WEB[1], status="maintenance"), replace(WEB[2], port=0)])
    async with service.running():
        await until(lambda: len(service.asked) > 5)
        assert {name for name, _ in service.asked} == {"web-0"}


@pytest.mark.parametrize(
    ("state", "how", "cleared"),
    [
        (State.SUSPECT, "/", True),
        (State.SUSPECT, "tcp", True),
        (State.EJECTED, "/", True),
        (State.EJECTED, "tcp", False),
        (State.UP, "/", False),
    ],
)
async def test_a_successful_probe_clears_passive_health_that_it_refutes(state, how, cleared):
    service = Service(probe_http=None if how == "tcp" else how, probe_tcp=how == "tcp")
    service.states["web-0"] = state
    service.register(WEB[0])
    async with service.running():
        await until(lambda: service.count("web-0") > 8)
        assert bool(service.overlays[WEB[0].key].verdict) == cleared


async def test_the_interval_is_shorter_during_changes():
    service = Service(probe_interval=0.2)
    service.states["web-0"] = State.SUSPECT
    service.register(*WEB[:2])
    async with service.running():
        await until(lambda: service.count("web-0") >= 8)
        assert service.count("web-1") <= 4


async def test_simultaneous_verdicts_are_one_change():
    service = Service(probe_fall=1, probe_interval=0.01)
    many = [replace(WEB[0], id=f"web-{n}", port=100 + n) for n in range(50)]
    service.answers = {endpoint.id: ILL for endpoint in many}
    service.register(*many)
    async with service.running():
        await until(lambda: len(service.failed) == 50)
        assert len(service.causes) < 10


async def test_a_successor_continues_the_verdicts():
    first = Service()
    first.answers["web-0"] = ILL
    first.register(*WEB[:2])
    async with first.running():
        await until(lambda: first.failed)
    second = Service(orjson.loads(orjson.dumps(first.prober.remember())))
    second.register(*WEB[:2])
    assert second.failed == ["web-0"]
    async with second.running():
        await until(lambda: second.failed == [])
        assert second.overlays[WEB[0].key].verdict.number == 2


async def test_changed_rules_of_a_service_take_effect_without_a_restart():
    service = Service()
    service.register(WEB[0])
    async with service.running():
        await until(lambda: service.asked)
        service.rules = ProbeRules(Health(probe_tcp=True, probe_interval=0.01))
        service.register(WEB[0])
        await until(lambda: service.asked[-1] == ("web-0", "tcp"))
        service.rules = ProbeRules(Health())
        service.register(WEB[0])
        assert service.overlays == {}
