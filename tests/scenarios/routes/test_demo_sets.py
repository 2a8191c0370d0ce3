"""Services with tags of fabio and labels of Traefik at a real Consul, unchanged, before `pylb --catalog`."""

import asyncio
import json
import re
import time
from pathlib import Path

import aiohttp
import pytest

from bench.routes.cases import Case, differences, read_cases
from bench.routes.echo import echo_origins
from bench.routes.labelled import labelled_services, with_port
from bench.routes.pages import block, table
from tests.containers.inspected import inspected
from tests.scenarios.processes.program import Program

pytestmark = pytest.mark.slow

SETS = Path(__file__).parent
DOCS = SETS.parents[2] / "docs"


def tagged_services():
    return {each["Name"]: each["Tags"] for each in json.loads((SETS / "fabio.json").read_text())}


SERVICES = {"fabio": tagged_services, "traefik": lambda: labelled_services(SETS / "compose.yml")}


async def register(consul, service, port, tags):
    body = {
        "ID": f"{service}-1",
        "Name": service,
        "Address": "127.0.0.1",
        "Port": port,
        "Tags": with_port(tags, port),
        "Check": {"TTL": "24h", "Status": "passing"},
    }
    path = "/v1/agent/service/register"
    async with aiohttp.ClientSession(consul.url) as session, session.put(path, json=body) as answer:
        assert answer.status == 200, await answer.text()


async def until_as_expected(cases, port):
    """Send all requests until each has its outcome; the services of the catalog arrive one by one."""

    def wrong():
        found = [(case, each) for case in cases for each in differences(case, case.pylb or case.gets, port)]
        return [f"{' '.join([case.send, *case.fields])}: {each}" for case, each in found]

    deadline = time.monotonic() + 20
    while each := await asyncio.to_thread(wrong):
        assert time.monotonic() < deadline, "\n".join(each)


@pytest.mark.parametrize("name", SERVICES)
async def test_each_request_goes_where_it_went(own_consul, tmp_path, name):
    services = SERVICES[name]()
    cases = read_cases(SETS / f"{name}.toml")
    with echo_origins(services) as ports:
        for service, tags in services.items():
            await register(own_consul, service, ports[service], tags)
        async with Program(tmp_path, "--consul", own_consul.http, "--catalog", workers=1) as pylb:
            await pylb.start()
            await until_as_expected(cases, int(pylb.url.rpartition(":")[2]))


async def test_containers_of_the_compose_file(engine, tmp_path):
    """As Compose starts them, with the addresses of this test."""
    services = labelled_services(SETS / "compose.yml")
    with echo_origins(services) as ports:
        for service, labels in services.items():
            written = dict(label.split("=", 1) for label in with_port(labels, ports[service]))
            engine.run(
                inspected(
                    f"shop-{service}-1",
                    id=service.encode().hex().ljust(64, "0"),
                    labels={**written, "com.docker.compose.service": service},
                    exposed=[f"{ports[service]}/tcp"],
                    networks={"shop_default": "127.0.0.1"},
                )
            )
        async with Program(tmp_path, "--docker", "--docker-host", engine.url, "--catalog", workers=1) as pylb:
            await pylb.start()
            cases = read_cases(SETS / "traefik.toml")
            await until_as_expected(cases, int(pylb.url.rpartition(":")[2]))


async def test_a_corrected_tag_is_served_and_a_tag_that_needs_protection_is_not(own_consul, tmp_path):
    outcomes = {
        "urlprefix-/wiki auth=team": "503",
        "urlprefix-/wiki": "wiki /wiki",
        "urlprefix-/wiki allow=10.0.0.0/8": "503",
        "urlprefix-/wiki strip=/wiki": "wiki /",
        "urlprefix-/wiki redirect=301,/new": "301 /new",
        "urlprefix-/wiki prepend=/v1": "wiki /v1/wiki",
        "wiki": "404",
    }
    with echo_origins(["wiki"]) as ports:
        async with Program(tmp_path, "--consul", own_consul.http, "--catalog", workers=1) as pylb:
            await pylb.start()
            for tag, outcome in outcomes.items():
                await register(own_consul, "wiki", ports["wiki"], [tag])
                await until_as_expected(
                    [Case("GET http://x/wiki", outcome)], int(pylb.url.rpartition(":")[2])
                )


async def test_the_file_of_the_page_from_nginx(tmp_path):
    """With backends of this test in place of those of the page."""
    page = DOCS / "from-nginx-locations.md"
    text = block(page, "toml")
    services = dict(re.findall(r'^\[services\.(\w+)\]\n(?:.*\n)*?backends = "(.*)"', text, re.MULTILINE))
    with echo_origins(services) as ports:
        for service, backends in services.items():
            text = text.replace(f'"{backends}"', f'"127.0.0.1:{ports[service]}"')
        file = tmp_path / "routes.toml"
        file.write_text(text)
        async with Program(tmp_path, "--routes", str(file), workers=1) as pylb:
            await pylb.start()
            await until_as_expected(table(page), int(pylb.url.rpartition(":")[2]))
