"""`pylb doctor` as typed: silent on a healthy stack, and one story for each fault that can be seeded."""

import asyncio
import socket
import subprocess
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from bench.lib.ports import free_ports
from tests.components import consul_binary
from tests.containers.inspected import inspected
from tests.scenarios.doctor.conftest import SERVICE, TAG

COMPOSE = {"com.docker.compose.service": SERVICE}


async def found(clinic, *arguments, **looks):
    """The only thing that the doctor finds: which rule, in which words."""
    code, findings = await clinic.examine(*arguments, **looks)
    assert code == 3
    (finding,) = findings
    return finding


async def test_a_healthy_stack_has_no_findings_and_exit_code_0(clinic):
    assert await clinic.examine() == (0, [])


async def test_consul_does_not_answer(clinic, unused_tcp_port):
    clinic.through = f"127.0.0.1:{unused_tcp_port}"
    rule, words = await found(clinic)
    assert rule == "does-not-answer"
    assert words.startswith(f"Consul at http://{clinic.through} does not answer: ")


async def test_the_engine_does_not_answer(clinic, tmp_path):
    clinic.engine.url = f"unix://{tmp_path}/none"
    rule, words = await found(clinic)
    assert (rule, words.partition(" does")[0]) == ("does-not-answer", f"Docker at {clinic.engine.url}")


async def test_pylb_does_not_answer(clinic, unused_tcp_port):
    clinic.admin = f"127.0.0.1:{unused_tcp_port}"
    rule, words = await found(clinic)
    assert (rule, words.partition(" does")[0]) == ("does-not-answer", f"pylb at {clinic.admin}")


async def test_consul_has_no_quorum(clinic, tmp_path):
    names = ("http", "dns", "server", "serf-lan", "serf-wan")
    ports = free_ports(len(names))
    command = [
        consul_binary(),
        "agent",
        "-server",
        "-bootstrap-expect=3",
        f"-data-dir={tmp_path}",
        "-grpc-port=-1",
    ]
    command += ["-client=127.0.0.1", "-bind=127.0.0.1"]
    command += [f"-{name}-port={port}" for name, port in zip(names, ports, strict=True)]
    clinic.through = f"127.0.0.1:{ports[0]}"
    lonely = await asyncio.create_subprocess_exec(*command, stdout=subprocess.DEVNULL)
    try:
        async with asyncio.timeout(30):
            while (finding := await found(clinic, pylb=False))[0] == "does-not-answer":
                await asyncio.sleep(0.05)
    finally:
        lonely.kill()
        await lonely.wait()
    assert finding == ("no-leader", f"Consul at http://{clinic.through} has no leader")


async def test_the_address_is_that_of_a_server_of_a_cluster(clinic):
    await clinic.catalog("register", Node="another-machine", Address="127.0.0.9")
    try:
        rule, words = await found(clinic)
    finally:
        await clinic.catalog("deregister", Node="another-machine")
    assert rule == "server-address"
    assert words.endswith("is a server of a cluster of 2 nodes, not a local agent")


async def test_a_clock_is_not_synchronized(clinic, between):
    between["Date"] = format_datetime(datetime.now(UTC) + timedelta(minutes=2), usegmt=True)
    rule, words = await found(clinic)
    assert rule == "clock-skew"
    assert words.startswith("Consul's clock is 1")
    assert words.endswith(" s ahead of this machine's")


async def test_a_token_hides_instances(clinic, between):
    """Consul says so from 1.11 on; the real one of these tests is older, so the field is put in."""
    between["X-Consul-Results-Filtered-By-ACLs"] = "true"
    assert await found(clinic) == ("hidden-instances", f"{SERVICE}: Consul hides instances from this token")


async def test_no_instance_is_registered(clinic):
    assert await found(clinic, "--service", "nobody") == ("no-instance", "nobody: Consul has no instance")


async def test_an_instance_without_a_port(clinic):
    await clinic.register("by-hand", 3, Port=0)
    rule, words = await found(clinic)
    assert rule == "malformed"
    assert words.startswith(f"{SERVICE}: by-hand cannot be used, invalid: ")


async def test_a_tag_has_a_blank(clinic):
    await clinic.register("by-hand", 3, Tags=[TAG, " green"])
    await clinic.known_to_pylb(*clinic.ids, "by-hand")
    words = f"{SERVICE}: by-hand has tags with blanks around them: [' green']"
    assert await found(clinic) == ("malformed", words)


async def test_a_weight_is_invalid(clinic):
    clinic.engine.run(inspected("odd", env={"SERVICE_LB_WEIGHT": "lots"}))
    rule, words = await found(clinic)
    assert rule == "malformed"
    assert words.startswith("container odd: SERVICE_LB_WEIGHT: got 'lots'")


async def test_two_ids_on_one_address(clinic):
    await clinic.register(f"old:clinic-1:{clinic.port}", 1)
    rule, words = await found(clinic)
    assert rule == "duplicate-address"
    assert words.endswith(f"are both registered at 127.0.0.1:{clinic.port}")


async def test_the_container_of_an_entry_is_gone(clinic):
    clinic.engine.remove({"Id": "2" * 64})
    words = f"{clinic.ids[1]} is registered, but its container {'2' * 12} is not running"
    assert await found(clinic) == ("dangling", f"{SERVICE}: {words}")


async def test_a_container_is_not_registered(clinic):
    await clinic.agent.deregister(clinic.ids[1])
    await clinic.known_to_pylb(clinic.ids[0])
    words = f"{SERVICE}: container clinic-2 is running, but is not registered"
    assert await found(clinic) == ("unregistered", words)


async def test_a_containers_address_with_a_published_port(clinic):
    published = {"80/tcp": [("0.0.0.0", clinic.port)]}
    networks = {"shop": "127.0.0.2"}
    clinic.engine.run(inspected("clinic-2", id="2" * 64, published=published, networks=networks))
    rule, words = await found(clinic)
    assert rule == "published-port"
    assert f"is at 127.0.0.2:{clinic.port}: the address of container clinic-2 with a port" in words


async def test_a_network_out_of_reach(clinic, unused_tcp_port):
    await clinic.register("far-away", 3, Port=unused_tcp_port)
    await clinic.known_to_pylb(*clinic.ids, "far-away")
    rule, words = await found(clinic)
    assert rule == "unreachable"
    assert words.endswith(f"at 127.0.0.3:{unused_tcp_port} cannot be reached from here: Connection refused")


async def test_an_unresolvable_name_is_a_fact(clinic, monkeypatch):
    ask = socket.getaddrinfo

    def unknown(host, *arguments, **options):
        if host == "clinic.example":
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return ask(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    await clinic.register("by-name", 3, Address="clinic.example")
    await clinic.known_to_pylb(*clinic.ids, "by-name")
    rule, words = await found(clinic)
    assert rule == "dns"
    assert words.startswith(f"{SERVICE}: by-name is registered as clinic.example, and this name cannot be")


async def test_an_instance_without_a_check(clinic):
    await clinic.register("unchecked", 3, Check=None)
    await clinic.known_to_pylb(*clinic.ids, "unchecked")
    assert await found(clinic) == ("unchecked", f"{SERVICE}: unchecked has no health check")


async def test_a_container_does_not_declare_its_port(clinic):
    clinic.engine.run(inspected("vague", labels=COMPOSE, exposed=["80/tcp", "81/tcp"]))
    words = f"{SERVICE}: container vague exposes 2 TCP ports, not one"
    assert await found(clinic, consul=False) == ("no-port", words)


async def test_pylb_lacks_passing_instances(clinic):
    """It runs with `--tag blue`."""
    await clinic.register("new", 3, Tags=["green"])
    rule, words = await found(clinic)
    assert rule == "pool-differs"
    assert words == f"{SERVICE}: new pass in Consul, but pylb does not use them"


async def test_a_pool_without_backends(clinic):
    for id_ in clinic.ids:
        await clinic.agent.deregister(id_)
    await clinic.known_to_pylb()
    rule, words = await found(clinic, consul=False, docker=False)
    assert (rule, words) == ("pool-empty", f"{SERVICE}: pylb has no backend")


async def test_no_instance_passes_its_checks(clinic):
    for id_ in clinic.ids:
        await clinic.agent.update_check(f"service:{id_}", "critical", "connection refused")
    async with asyncio.timeout(10):
        while (await clinic.examine())[0] == 0:  # the agent has not synchronized both checks yet
            await asyncio.sleep(0.01)
    rule, words = await found(clinic)
    assert (rule, words) == ("none-passes", f"{SERVICE}: no instance passes its checks: 2 critical")
