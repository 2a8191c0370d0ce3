import asyncio
from contextlib import aclosing

import pytest

from pylb.clients.docker import EngineError
from pylb.discovery.sources.docker import DockerProvider, read_container, service_names, services_of
from tests.containers.inspected import container, inspected
from tests.every import every
from tests.registries import docker_at
from tests.until import until

COMPOSE = {"com.docker.compose.service": "web"}


def read(service="web", network="", **settings):
    return read_container(service, container(**settings), network)


@every(
    "settings",
    [
        {"env": {"SERVICE_NAME": "web"}},
        {"env": {"SERVICE_80_NAME": "web"}},
        {"labels": {"SERVICE_NAME": "web"}},
        {"labels": COMPOSE},
        {"labels": {"pylb.service": "web"}},
        {"labels": {"pylb.service": "web", **COMPOSE, "SERVICE_NAME": "other"}},
    ],
)
def test_containers_that_belong_to_the_service(settings):
    endpoint, reason = read(**settings)
    assert (endpoint.authority, endpoint.id, reason) == ("172.17.0.2:80", "web-1", "")


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"labels": {**COMPOSE, "SERVICE_NAME": "other"}},
        {"labels": {"pylb.service": "other", "SERVICE_NAME": "web"}},
        {"labels": COMPOSE, "running": False},
        {"env": {"SERVICE_NAME": "web", "SERVICE_IGNORE": "1"}},
    ],
)
def test_containers_that_do_not_belong_to_the_service(settings):
    assert read(**settings) is None


def test_the_label_selects_one_of_several_ports():
    labels = {"pylb.service": "web", "pylb.port": "81"}
    assert read(labels=labels, exposed=["80/tcp", "81/tcp"])[0].port == 81


def test_a_label_of_traefik_selects_the_port():
    labels = {**COMPOSE, "traefik.http.services.web.loadbalancer.server.port": "81"}
    assert read(labels=labels, exposed=["80/tcp", "81/tcp"])[0].port == 81


def test_a_service_of_several_ports_is_several_services():
    assert read("shop-81", env={"SERVICE_NAME": "shop"}, exposed=["80/tcp", "81/tcp"])[0].port == 81


@every(
    ("settings", "services"),
    [
        ({}, set()),
        ({"labels": COMPOSE}, {"web"}),
        ({"labels": {**COMPOSE, "SERVICE_NAME": "other"}}, {"other"}),
        ({"labels": {"pylb.service": "shop", **COMPOSE, "SERVICE_NAME": "other"}}, {"shop"}),
        ({"env": {"SERVICE_NAME": "shop"}, "exposed": ["80/tcp", "81/tcp"]}, {"shop-80", "shop-81"}),
        ({"labels": COMPOSE, "env": {"SERVICE_IGNORE": "1"}}, {"web"}),
    ],
)
def test_each_service_of_a_container_reads_it(settings, services):
    found = services_of(container(**settings))
    assert found == services
    assert all(read(service, **settings) for service in found)


async def test_names_of_services_follow_the_containers(engine):
    engine.run(inspected("web-1", labels={**COMPOSE, "com.docker.compose.project": "shop"}))
    engine.run(inspected("old-1", labels={"pylb.service": "old"}, running=False))
    async with aclosing(service_names(docker_at(engine.url))) as names:
        assert await anext(names) == {"web"}
        later = inspected("api-1", labels={"pylb.service": "api"})
        engine.run(later)

        async def start():
            await until(lambda: engine.listeners)
            engine.tell("start", later)

        _, found = await asyncio.gather(start(), anext(names))
        assert found == {"web", "api"}
    async with aclosing(service_names(docker_at(engine.url), "shop")) as names:
        assert await anext(names) == {"web"}


def test_settings_and_labels_that_declare_routes_are_metadata():
    labels = {"traefik.enable": "true", "lb_route": "/a", "color": "blue", **COMPOSE}
    endpoint, _ = read(labels=labels, env={"SERVICE_LB_POLICY": "random"}, created="2026-01-01T00:00:00.5Z")
    assert endpoint.meta[1:] == (("lb_policy", "random"), ("lb_route", "/a"), ("traefik.enable", "true"))
    assert endpoint.created == 1767225600500
    assert read(labels=COMPOSE, created="yesterday")[0].created == 0


@every(
    ("settings", "reason"),
    [
        (
            {"exposed": ["80/tcp", "81/tcp"]},
            "it exposes 2 TCP ports, expected one; name it in the label pylb.port",
        ),
        ({"exposed": []}, "it exposes 0 TCP ports, expected one; name it in the label pylb.port"),
        ({"networks": {}}, "it has no address on any network"),
        ({"network": "front"}, "it has no address on the network front"),
        ({"health": "unhealthy", "output": "refused"}, "Docker reports unhealthy: refused"),
        ({"health": "starting"}, "Docker reports starting"),
        *(
            (
                {"labels": {**COMPOSE, "pylb.port": port}},
                f"label pylb.port: got {port[:40]!r}, expected a port from 1 to 65535",
            )
            for port in ("70000", "0", "9" * 20, "9" * 5000, "http", "", "80 ", "٣")
        ),
    ],
)
def test_reasons_for_which_a_container_is_excluded(settings, reason):
    endpoint, found = read(**{"labels": COMPOSE, **settings})
    assert found == reason
    assert endpoint.status == "critical"


@pytest.mark.parametrize("key", ["33060-33061/tcp", "/tcp", f"{'9' * 5000}/tcp"])
def test_an_invalid_port_is_named_and_the_others_are_used(key):
    endpoint, reason = read(labels=COMPOSE, exposed=["80/tcp", key])
    assert (endpoint.port, reason) == (80, "")
    assert endpoint.problems[0].startswith(f"its port {key[:40]!r} is skipped")


def test_a_variable_for_an_invalid_port_is_ignored():
    assert read(labels=COMPOSE, env={f"SERVICE_{'9' * 5000}_NAME": "x"})[0].port == 80


def test_names_follow_registrator_for_one_published_port():
    settings = {"env": {"SERVICE_NAME": "web"}, "exposed": ["80/tcp", "443/tcp"]}
    published = {"80/tcp": [("0.0.0.0", 8080)]}
    assert read(published=published, **settings)[0].port == 80
    assert read("web-443", published=published, **settings)[0].port == 443
    assert read(**settings) is None


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"paused": True}, "it is paused"),
        ({"paused": True, "health": "unhealthy"}, "it is paused"),
        (
            {"labels": {**COMPOSE, "com.docker.compose.oneoff": "True"}},
            "docker compose run started it for one command",
        ),
    ],
)
def test_reasons_for_which_a_container_is_excluded_temporarily(settings, reason):
    endpoint, found = read(**{"labels": COMPOSE, **settings})
    assert (endpoint.status, found) == ("maintenance", reason)


def test_an_invalid_setting_is_reported_and_ignored():
    settings = {"SERVICE_LB_WEIGHT": "x", "SERVICE_LB_SLOWSTART": "30s"}
    endpoint, reason = read(labels=COMPOSE, env=settings)
    assert (endpoint.weight, endpoint.slow_start, reason) == (1, 30.0, "")
    assert endpoint.problems == ("lb_weight: expected a whole number from 0 to 1000, got 'x'",)


def test_labels_set_tls_and_invalid_ones_exclude_the_container():
    labels = COMPOSE | {"SERVICE_LB_TLS": "true", "SERVICE_LB_TLS_NAME": "a.example"}
    endpoint, reason = read(labels=labels)
    assert (endpoint.tls, endpoint.tls_name, reason) == (True, "a.example", "")
    _, reason = read(labels=COMPOSE | {"SERVICE_LB_TLS_NAME": "a..b"})
    assert reason == "lb_tls_name: expected a host name or an IP address, got 'a..b'"


def test_settings_of_a_container_are_read():
    env = {"SERVICE_LB_WEIGHT": "5", "SERVICE_TAGS": "b,a"}
    endpoint, _ = read(
        labels=COMPOSE, env=env, health="healthy", networks={"x": "10.0.0.1", "y": "10.0.0.2"}, network="y"
    )
    assert (endpoint.weight, endpoint.tags, endpoint.has_checks, endpoint.address) == (
        5,
        ("b", "a"),
        True,
        "10.0.0.2",
    )


def test_a_container_in_the_host_network_has_the_hosts_address():
    assert read(labels=COMPOSE, mode="host", networks={"host": ""})[0].authority == "127.0.0.1:80"


@pytest.fixture
async def snapshots(engine):
    provider = DockerProvider(docker_at(engine.url), "web", resync=60.0)
    async with aclosing(provider.watch()) as watching:
        yield watching


def names(snapshot):
    return [e.id for e in snapshot.endpoints], [e.endpoint.id for e in snapshot.excluded]


WEB = inspected("web-1", labels=COMPOSE)


async def test_events_cause_changes(engine, snapshots):
    assert names(await anext(snapshots)) == ([], [])

    async def start():
        await until(lambda: engine.listeners)
        engine.tell("start", inspected("other"))
        engine.run(WEB)
        engine.tell("start", WEB)

    changed, _ = await asyncio.gather(anext(snapshots), start())
    assert names(changed) == (["web-1"], [])
    engine.run(inspected("web-1", labels=COMPOSE, health="unhealthy"))
    engine.tell("health_status: unhealthy", WEB)
    assert names(await anext(snapshots)) == ([], ["web-1"])


async def test_a_stop_signal_excludes_a_container_until_its_restart(engine, snapshots):
    engine.run(WEB)
    assert names(await anext(snapshots)) == (["web-1"], [])

    async def stop():
        await until(lambda: engine.listeners)
        engine.tell("kill", WEB, signal="15")

    snapshot, _ = await asyncio.gather(anext(snapshots), stop())
    assert [(x.endpoint.id, x.endpoint.status, x.reason) for x in snapshot.excluded] == [
        ("web-1", "maintenance", "it is being stopped")
    ]
    engine.tell("start", WEB)
    assert names(await anext(snapshots)) == (["web-1"], [])


async def test_events_between_listing_and_stream_are_not_missed(engine, snapshots):
    await anext(snapshots)
    assert engine.asked[-1].endswith("json")

    async def events_asked():
        await until(lambda: engine.listeners)
        engine.hang_up()

    with pytest.raises(EngineError):
        await asyncio.gather(anext(snapshots), events_asked())
    assert engine.since[0] < engine.polled_at


async def test_a_quiet_engine_is_verified(engine):
    engine.run(WEB)
    provider = DockerProvider(docker_at(engine.url), "web", resync=0.01)
    async with aclosing(provider.watch()) as watching:
        first, second = await anext(watching), await anext(watching)
    assert first.same_content(second)


async def test_tags_filter_containers(engine):
    engine.run(inspected("web-1", id="1" * 64, labels=COMPOSE, env={"SERVICE_TAGS": "blue"}))
    engine.run(inspected("web-2", id="2" * 64, labels=COMPOSE))
    provider = DockerProvider(docker_at(engine.url), "web", tags=["blue"])
    async with aclosing(provider.watch()) as watching:
        assert names(await anext(watching)) == (["web-1"], [])


async def test_a_failing_engine_is_an_error_and_never_empty(engine, snapshots):
    engine.run(WEB)
    await anext(snapshots)

    async def trouble():
        await until(lambda: engine.listeners)
        engine.broken = True
        engine.tell("die", WEB)

    with pytest.raises(EngineError, match="out of order"):
        await asyncio.gather(anext(snapshots), trouble())


async def test_an_unreadable_container_is_listed_and_delays_no_change(engine, snapshots, caplog):
    db = inspected("db-1", id="d" * 64)
    engine.run(WEB)
    engine.run(db)
    engine.failing.add(db["Id"])
    first = await anext(snapshots)
    assert names(first) == (["web-1"], ["db-1"])
    reason = f"it cannot be read: Docker at {engine.url}: answered 500: layer not known"
    assert (first.excluded[0].reason, first.excluded[0].cause) == (reason, "invalid")

    async def replaced():
        await until(lambda: engine.listeners)
        engine.remove(WEB)
        engine.run(inspected("web-2", labels=COMPOSE))
        engine.tell("start", WEB)

    changed, _ = await asyncio.gather(anext(snapshots), replaced())
    assert names(changed) == (["web-2"], ["db-1"])
    assert [r.getMessage() for r in caplog.records if "db-1" in r.getMessage()] == [f"web: db-1: {reason}"]


async def test_containers_are_known_across_an_outage_of_the_engine(engine):
    engine.run(WEB)
    provider = DockerProvider(docker_at(engine.url), "web")
    for _ in range(2):
        async with aclosing(provider.watch()) as watching:
            assert names(await anext(watching)) == (["web-1"], [])
        engine.failing.add(WEB["Id"])


async def test_pause_and_unpause(engine, snapshots):
    engine.run(WEB)
    assert names(await anext(snapshots)) == (["web-1"], [])

    async def pause():
        await until(lambda: engine.listeners)
        engine.run(inspected("web-1", labels=COMPOSE, paused=True))
        engine.tell("pause", WEB)

    paused, _ = await asyncio.gather(anext(snapshots), pause())
    assert names(paused) == ([], ["web-1"])
    engine.run(WEB)
    engine.tell("unpause", WEB)
    assert names(await anext(snapshots)) == (["web-1"], [])


async def test_a_busy_engine_is_verified_as_often_as_a_quiet_one(engine):
    engine.run(WEB)
    provider = DockerProvider(docker_at(engine.url), "web", resync=0.2)
    async with aclosing(provider.watch()) as watching:
        first = await anext(watching)

        async def be_busy():
            await until(lambda: engine.listeners)
            while True:
                engine.tell("start", inspected("other"))
                await asyncio.sleep(0.01)

        busy = asyncio.ensure_future(be_busy())  # noqa: TID251
        async with asyncio.timeout(5):
            second = await anext(watching)
        busy.cancel()
    assert first.same_content(second)
    assert second.observed - first.observed >= 0.2


def of_project(name, project, number):
    labels = {**COMPOSE, "com.docker.compose.project": project}
    return inspected(name, id=str(number) * 64, labels=labels, networks={project: f"10.0.0.{number}"})


async def test_projects_with_the_same_service_name_are_distinguished(engine, caplog):
    engine.run(of_project("shop-web-1", "shop", 1))
    engine.run(of_project("blog-web-1", "blog", 2))
    for project, expected in (("shop", ["shop-web-1"]), ("", ["blog-web-1", "shop-web-1"])):
        provider = DockerProvider(docker_at(engine.url), "web", project=project)
        async with aclosing(provider.watch()) as watching:
            assert sorted(names(await anext(watching))[0]) == expected
    assert [r.getMessage() for r in caplog.records] == [
        "web: several Compose projects are balanced together: blog, shop; --project chooses one"
    ]
