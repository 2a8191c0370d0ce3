"""A healthy stack as facts, and ways to break it."""

from dataclasses import replace

from pylb.model import Endpoint
from pylb.tools.doctor.facts import Facts, Instances, Registry
from tests.containers.inspected import container

ONE = container("web-1", id="1" * 64, env={"SERVICE_NAME": "web"}, networks={"shop": "10.0.0.1"})
TWO = container("web-2", id="2" * 64, env={"SERVICE_NAME": "web"}, networks={"shop": "10.0.0.2"})


def endpoint(number, **changes):
    """The registration of a container."""
    made = Endpoint(
        service="web",
        address=f"10.0.0.{number}",
        port=80,
        id=f"host:web-{number}:80",
        tags=("blue",),
        meta=(("pylb-container", str(number) * 12),),
    )
    return replace(made, **changes)


def pool(*numbers, excluded=()):
    return {"backends": [{"id": f"host:web-{number}:80"} for number in numbers], "excluded": list(excluded)}


def healthy():
    """Two containers, both registered, checked, reachable and balanced."""
    return Facts(
        registry=Registry(
            url="http://consul:8500",
            leader="10.0.0.9:8300",
            server=True,
            clock_skew=-0.7,
            services={"web": Instances(passing=(endpoint(1), endpoint(2)))},
        ),
        containers=(ONE, TWO, container("old", running=False)),
        pools={"web": pool(1, 2)},
        connects={("10.0.0.1", 80): "", ("10.0.0.2", 80): ""},
    )


def with_registry(**changes):
    facts = healthy()
    return replace(facts, registry=replace(facts.registry, **changes))


def with_instances(*passing, **changes):
    return with_registry(services={"web": Instances(passing=passing, **changes)})
