"""The rules of `pylb doctor`: each turns facts into findings. No I/O; `gather` collects the facts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from shlex import quote

from pylb.containers.container import Container
from pylb.containers.conventions import metadata, names
from pylb.discovery.sources.consul.missing import explain_missing
from pylb.discovery.sources.docker import ports_of
from pylb.model import Endpoint
from pylb.registry.registrations import CONTAINER
from pylb.tools.doctor.facts import Facts, Finding, Instances

ILL = frozenset({"critical", "warning", "maintenance"})
"""The check states of an instance that receives no requests."""
MAX_NAMED = 3
"""Instances whose reasons are listed; the others are counted."""
MAX_SKEW = 5.0
"""Seconds of difference between two clocks above which timeouts and expiry dates are affected."""
UNRESOLVED = "name"
"""The prefix of errors from `gather` for host names that do not resolve."""


def diagnose(facts: Facts) -> list[Finding]:
    """Apply all rules. A healthy stack has no findings."""
    return [finding for rule in RULES for finding in rule(facts)]


def does_not_answer(facts: Facts) -> Iterator[Finding]:
    """Consul, Docker or pylb does not respond."""
    for place, error in facts.silent.items():
        yield Finding(
            "does-not-answer",
            f"{place} does not answer: {error}",
            "it is down, listens on another address, or a firewall or container network blocks it",
            "start it, or set the correct address; inside a container, 127.0.0.1 is the container itself",
        )


def no_leader(facts: Facts) -> Iterator[Finding]:
    """Consul's servers have no leader."""
    if facts.registry and not facts.registry.leader and not facts.registry.token_error:
        yield Finding(
            "no-leader",
            f"Consul at {facts.registry.url} has no leader",
            "fewer than half of its servers can reach each other, or an election is in progress",
            "restart the missing servers; until then Consul refuses registrations",
        )


def token_refused(facts: Facts) -> Iterator[Finding]:
    """Consul responds, but refuses the token."""
    if facts.registry and facts.registry.token_error:
        yield Finding(
            "token-refused",
            f"Consul refuses the token: {facts.registry.token_error}",
            "the token was deleted or mistyped, or ACLs deny requests without a token",
            "set a token with service:read and node:read by --token-file or CONSUL_HTTP_TOKEN",
        )


def asks_a_server(facts: Facts) -> Iterator[Finding]:
    """Registrations go to a server of a cluster instead of the machine's own agent."""
    registry = facts.registry
    if registry and registry.server and registry.nodes > 1:
        yield Finding(
            "server-address",
            f"Consul at {registry.url} is a server of a cluster of {registry.nodes} nodes, not a local agent",
            "the address of a server was given; what is registered there belongs to the server's node, "
            "and fails with it",
            "run an agent on each machine and use its address",
        )


def clock_skew(facts: Facts) -> Iterator[Finding]:
    """Consul's clock and this machine's differ."""
    if facts.registry and abs(facts.registry.clock_skew) > MAX_SKEW:
        skew = facts.registry.clock_skew
        yield Finding(
            "clock-skew",
            f"Consul's clock is {abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} this machine's",
            "the clock of one machine is not synchronized",
            "run an NTP client on both",
        )


def hidden_instances(facts: Facts) -> Iterator[Finding]:
    """The token cannot read all instances."""
    for service, instances in _services(facts):
        if instances.hidden or instances.lacking:
            yield Finding(
                "hidden-instances",
                f"{service}: Consul hides instances from this token",
                f"the token lacks {instances.lacking or 'service:read or node:read for some of them'}",
                "grant both to the token, or set another token by --token-file",
            )


def no_instance(facts: Facts) -> Iterator[Finding]:
    """A requested service is not registered."""
    for service, instances in _services(facts):
        known = facts.registry.known if facts.registry else frozenset()
        if not (instances.all or instances.hidden or instances.lacking):
            yield Finding(
                "no-instance",
                f"{service}: Consul has no instance",
                f"it is not registered, or has another name: {explain_missing(service, (), known)}",
                "compare SERVICE_NAME of the containers, or read the registrator's /health page",
            )


def none_passes(facts: Facts) -> Iterator[Finding]:
    """A service whose instances are all excluded by their checks."""
    for service, instances in _services(facts):
        ill = [each for each in instances.excluded if each.endpoint.status in ILL]
        if not ill or instances.passing:
            continue
        counts = Counter(each.endpoint.status for each in ill)
        more = f" and {len(ill) - MAX_NAMED} more" if len(ill) > MAX_NAMED else ""
        yield Finding(
            "none-passes",
            f"{service}: no instance passes its checks: "
            + ", ".join(f"{number} {status}" for status, number in counts.items()),
            "; ".join(f"{each.endpoint.id}: {each.reason}" for each in ill[:MAX_NAMED]) + more,
            "read the logs of the instances and their checks; until one passes, clients receive 503",
        )


def malformed(facts: Facts) -> Iterator[Finding]:
    """An instance in the registry, or a container, has an invalid value."""
    for service, instances in _services(facts):
        for each in instances.excluded:
            if each.reason.startswith("invalid"):
                yield Finding(
                    "malformed",
                    f"{service}: {each.endpoint.id or 'an instance'} cannot be used, {each.reason}",
                    "it was registered with a value that Consul does not document",
                    "correct its registration; until then it receives no requests",
                )
        for endpoint in instances.all:
            if odd := [tag for tag in endpoint.tags if tag != tag.strip() or not tag]:
                yield Finding(
                    "malformed",
                    f"{service}: {endpoint.id} has tags with blanks around them: {odd!r}",
                    "a list of tags was split at its commas only, `a, b`",
                    "write the list without blanks; `--tag` matches exact values only",
                )
    for container in _running(facts):
        for problem in container.problems:
            yield Finding(
                "malformed",
                f"container {container.name}: {problem}",
                "the image contains a value that Docker does not document",
                "rebuild the image with single ports in EXPOSE; until then the port is skipped",
            )
        for port in container.ports:
            try:
                metadata(container, port).weight("lb_weight")
            except ValueError as error:
                yield Finding(
                    "malformed",
                    f"container {container.name}: {error}",
                    "a mistake in its environment or labels",
                    "correct it and recreate the container",
                )


def unread_containers(facts: Facts) -> Iterator[Finding]:
    """The engine cannot inspect a container."""
    for name, reason in facts.unread.items():
        yield Finding(
            "unread-container",
            f"container {name} cannot be read: {reason}",
            "the engine waits for a lock on it, or its stored data is damaged",
            f"run docker inspect {name}; remove the container, or restart the engine",
        )


def duplicates(facts: Facts) -> Iterator[Finding]:
    """Two registrations claim one address."""
    for service, instances in _services(facts):
        claims = sorted(instances.all, key=lambda e: (e.address, e.port, e.id))
        for one, other in pairwise(claims):
            if one.authority == other.authority and one.address:
                yield Finding(
                    "duplicate-address",
                    f"{service}: {one.id} and {other.id} are both registered at {one.authority}",
                    "a registrator was recreated with another host name and left its old entries",
                    f"deregister the older one: consul services deregister -id={quote(one.id)}; "
                    "pylb registrator recognizes its own entries",
                )


def dangling(facts: Facts) -> Iterator[Finding]:
    """A registration whose container is gone."""
    if facts.containers is None:
        return
    running = {each.short_id for each in _running(facts)}
    for service, instances in _services(facts):
        for endpoint in instances.all:
            container = dict(endpoint.meta).get(CONTAINER)
            if container and container not in running:
                yield Finding(
                    "dangling",
                    f"{service}: {endpoint.id} is registered, but its container {container} is not running",
                    "no registrator detected its end, or the registrator watches another engine",
                    f"start the registrator, or: consul services deregister -id={quote(endpoint.id)}",
                )


def unregistered(facts: Facts) -> Iterator[Finding]:
    """A container that names a service but is not registered."""
    for service, instances in _services(facts):
        if instances.lacking:
            continue
        known = {dict(endpoint.meta).get(CONTAINER) for endpoint in instances.all}
        places = {endpoint.authority for endpoint in instances.all}
        for container in _running(facts):
            named = [p for p in container.ports if service in names(container, p)]
            if not named or container.short_id in known:
                continue
            if not places & {f"{n.address}:{p.number}" for n in container.networks for p in named}:
                yield Finding(
                    "unregistered",
                    f"{service}: container {container.name} is running, but is not registered",
                    "no registrator is running, or it cannot register it: the port is not published, without "
                    "--internal, or a container that is not on its --network",
                    "read the registrator's /health page, which names the problem of each container",
                )


def published_port_inside(facts: Facts) -> Iterator[Finding]:
    """A container's own address with the port that it is published under on the machine."""
    for service, instances in _services(facts):
        for endpoint in instances.all:
            for container in _running(facts):
                if _mixed(endpoint, container):
                    yield Finding(
                        "published-port",
                        f"{service}: {endpoint.id} is at {endpoint.authority}: the address of container "
                        f"{container.name} with a port that exists only on its host",
                        "registrator without -internal does this for containers on their own networks",
                        "register with --internal, or set the host's address by --ip",
                    )


def _mixed(endpoint: Endpoint, container: Container) -> bool:
    own = endpoint.address in {network.address for network in container.networks}
    inside = {port.number for port in container.ports}
    published = {binding.port for p in container.ports for binding in p.bindings}
    return own and endpoint.port not in inside and endpoint.port in published


def unreachable(facts: Facts) -> Iterator[Finding]:
    """An instance passes its checks, but cannot be reached from this machine."""
    for service, endpoint in _balanced(facts):
        error = facts.connects.get((endpoint.address, endpoint.port), "")
        if error.startswith(UNRESOLVED):
            yield Finding(
                "dns",
                f"{service}: {endpoint.id} is registered as {endpoint.address}, and this {error}",
                "the name resolves where it was registered, but not here",
                "register an IP address, or run the doctor and pylb where the name resolves",
            )
        elif error:
            yield Finding(
                "unreachable",
                f"{service}: {endpoint.id} at {endpoint.authority} cannot be reached from here: {error}",
                "its address is on a network that this machine is not on, or nothing listens there",
                "put both on one Docker network and register its address with --network, or publish the port "
                "and register with --ip",
            )


def unchecked(facts: Facts) -> Iterator[Finding]:
    """An instance without a check: it always passes, even when it is down."""
    for service, instances in _services(facts):
        for endpoint in instances.passing:
            if not endpoint.has_checks:
                yield Finding(
                    "unchecked",
                    f"{service}: {endpoint.id} has no health check",
                    "it was registered without one, so it passes even when it is down",
                    "set SERVICE_CHECK_TCP=true or a HEALTHCHECK for the container, and "
                    "SERVICE_CHECK_DEREGISTER_AFTER=1m",
                )


def container_without_port(facts: Facts) -> Iterator[Finding]:
    """A container of a balanced service does not declare its port."""
    for service in facts.pools or {}:
        for container in _running(facts):
            try:
                offered = ports_of(service, container)
                what = f"exposes {len(offered or ())} TCP ports, not one"
            except ValueError as error:
                offered, what = [], str(error)
            if offered is not None and len(offered) != 1 and facts.registry is None:
                yield Finding(
                    "no-port",
                    f"{service}: container {container.name} {what}",
                    "EXPOSE of the image names no port, or several",
                    "set the label pylb.port",
                )


def pool_differs(facts: Facts) -> Iterator[Finding]:
    """The pool differs from the registry."""
    if facts.pools is None or facts.registry is None:
        return
    for service, pool in facts.pools.items():
        instances = facts.registry.services.get(service)
        if instances is None:
            continue
        explained = {each["id"] for each in pool["excluded"]}
        present = {each["id"] for each in pool["backends"]}
        if missing := sorted({e.id for e in instances.passing} - present - explained):
            yield Finding(
                "pool-differs",
                f"{service}: {', '.join(missing)} pass in Consul, but pylb does not use them",
                "pylb uses another Consul, datacenter or token, or --tag",
                "compare the options of both; /ready shows the age of pylb's backend list",
            )


def pool_empty(facts: Facts) -> Iterator[Finding]:
    """A service has no backend, although Consul has passing instances."""
    known = dict(_services(facts))
    for service, pool in (facts.pools or {}).items():
        if not pool["backends"] and (service not in known or known[service].passing):
            reasons = "; ".join(f"{each['id']}: {each['reason']}" for each in pool["excluded"])
            yield Finding(
                "pool-empty",
                f"{service}: pylb has no backend",
                reasons or "nothing is registered, or the registry has not answered yet",
                "correct the findings above, or start an instance; until then clients receive 503",
            )


def _services(facts: Facts) -> Iterable[tuple[str, Instances]]:
    return facts.registry.services.items() if facts.registry else ()


def _balanced(facts: Facts) -> Iterator[tuple[str, Endpoint]]:
    for service, instances in _services(facts):
        for endpoint in instances.passing:
            yield service, endpoint


def _running(facts: Facts) -> tuple[Container, ...]:
    return tuple(each for each in facts.containers or () if each.running)


RULES: tuple[Callable[[Facts], Iterator[Finding]], ...] = (
    does_not_answer,
    no_leader,
    token_refused,
    asks_a_server,
    clock_skew,
    hidden_instances,
    no_instance,
    none_passes,
    malformed,
    unread_containers,
    duplicates,
    dangling,
    unregistered,
    published_port_inside,
    unreachable,
    unchecked,
    container_without_port,
    pool_differs,
    pool_empty,
)
"""In the order of the findings: causes come before their consequences."""
