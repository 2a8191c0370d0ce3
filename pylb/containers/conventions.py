"""What a container says of its services: `SERVICE_*` in environment and labels, as registrator reads them.

The rules are those of registrator's documentation, "Service object", so that compose files written for it
work unchanged. Where it leaves something to chance (the order of labels in a Go map) this has an order.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pylb.containers.container import Container
from pylb.containers.port import MAX_QUOTED, Port

PREFIX = "SERVICE_"
MAX_WEIGHT = 65535


@dataclass(frozen=True, slots=True)
class Metadata:
    """What is said of one port: keys without the prefix, in lower case."""

    values: tuple[tuple[str, str], ...]
    port_specific: frozenset[str]
    """The keys that were given for this port in particular, as `SERVICE_80_NAME`."""

    def get(self, key: str) -> str:
        """The value, or nothing."""
        return dict(self.values).get(key, "")

    def weight(self, key: str) -> int:
        """The value as a share of traffic; 1 if it is not given.

        Raises:
            ValueError: it is no such number; the message names it.
        """
        text = self.get(key) or "1"
        if not re.fullmatch(r"[0-9]{1,5}", text) or int(text) > MAX_WEIGHT:
            raise ValueError(
                f"SERVICE_{key.upper()}: got {text[:MAX_QUOTED]!r}, expected a number from 0 to {MAX_WEIGHT}"
            )
        return int(text)


def metadata(container: Container, port: Port) -> Metadata:
    """Collect what the container says of one of its ports.

    Labels go before the environment, `SERVICE_80_X` goes before `SERVICE_X`. What is said of another port is
    left out.
    """
    general: dict[str, str] = {}
    specific: dict[str, str] = {}
    for name, value in (*container.env, *container.labels):
        if not name.startswith(PREFIX):
            continue
        key = name.removeprefix(PREFIX).lower()
        number, _, rest = key.partition("_")
        if not (number.isascii() and number.isdigit() and rest):
            general[key] = value
        elif number == str(port.number):
            specific[rest] = value
    return Metadata(tuple(sorted({**general, **specific}.items())), frozenset(specific))


def registered_ports(container: Container, *, internal: bool) -> tuple[Port, ...]:
    """The ports that registrator registers.

    Args:
        container: the container.
        internal: whether at the container's own address, which takes all exposed ports; otherwise, the
            published ones.
    """
    return container.ports if internal else tuple(port for port in container.ports if port.published)


def service_name(container: Container, port: Port, *, internal: bool = True, explicit: bool = False) -> str:
    """The service that a port belongs to; empty if to none.

    `SERVICE_<port>_NAME`, else `SERVICE_NAME`, else (unless `explicit`) the image's name without path, tag.
    If several of a container's ports are registered, `-<port>` is appended, except where the name was given
    for the port.
    """
    said = metadata(container, port)
    if said.get("ignore"):
        return ""
    name = said.get("name") or ("" if explicit else image_name(container.image))
    several = len(registered_ports(container, internal=internal)) > 1
    if name and several and "name" not in said.port_specific:
        name += f"-{port.number}"
    return name


def names(container: Container, port: Port) -> set[str]:
    """The names that a container gives a port, whichever ports a registrator registers."""
    found = {service_name(container, port, explicit=True)}
    if port.published:
        found.add(service_name(container, port, internal=False, explicit=True))
    return found - {""}


def image_name(image: str) -> str:
    """`web` for `registry.example:5000/shop/web:1.2@sha256:...`."""
    return re.split(r"[:@]", image.rpartition("/")[2], maxsplit=1)[0]


def split_tags(text: str) -> tuple[str, ...]:
    r"""Read a comma-separated list in its order; `\,` is a comma in a tag. Blanks around a tag go."""
    tags = (tag.replace("\\,", ",").strip() for tag in re.split(r"(?<!\\),", text))
    return tuple(tag for tag in tags if tag)
