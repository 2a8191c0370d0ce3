"""Reads the `SERVICE_*` settings of a container by registrator's conventions.

The rules are those of registrator's documentation, "Service object", so that compose files written for it
work unchanged. Where registrator's result is random (the order of labels in a Go map), this file defines one.
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
    """The settings of one port; keys in lower case without the prefix."""

    values: tuple[tuple[str, str], ...]
    port_specific: frozenset[str]
    """Keys that were set for this port, as `SERVICE_80_NAME`."""

    def get(self, key: str) -> str:
        """Return the value; empty if it is not set."""
        return dict(self.values).get(key, "")

    def weight(self, key: str) -> int:
        """Return the value as a weight; 1 if it is not set.

        Raises:
            ValueError: the value is not a weight; the message quotes it.
        """
        text = self.get(key) or "1"
        if not re.fullmatch(r"[0-9]{1,5}", text) or int(text) > MAX_WEIGHT:
            raise ValueError(
                f"SERVICE_{key.upper()}: got {text[:MAX_QUOTED]!r}, expected a number from 0 to {MAX_WEIGHT}"
            )
        return int(text)


def metadata(container: Container, port: Port) -> Metadata:
    """Collect the settings of one port of a container.

    Labels take precedence over the environment, and `SERVICE_80_X` over `SERVICE_X`. Settings of other ports
    are ignored.
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
    """Return the ports that are registered.

    Args:
        container: the container.
        internal: True for all exposed ports, at the container's own address; False for the published ones.
    """
    return container.ports if internal else tuple(port for port in container.ports if port.published)


def service_name(container: Container, port: Port, *, internal: bool = True, explicit: bool = False) -> str:
    """Return the name of a port's service; empty if the port belongs to none.

    The name is `SERVICE_<port>_NAME`, else `SERVICE_NAME`, else (unless `explicit`) the image's name without
    path and tag. If several ports of the container are registered, `-<port>` is appended, unless the name
    was set for the port.
    """
    settings = metadata(container, port)
    if settings.get("ignore"):
        return ""
    name = settings.get("name") or ("" if explicit else image_name(container.image))
    several = len(registered_ports(container, internal=internal)) > 1
    if name and several and "name" not in settings.port_specific:
        name += f"-{port.number}"
    return name


def names(container: Container, port: Port) -> set[str]:
    """Return the names that a port can have, with `internal` and without."""
    found = {service_name(container, port, explicit=True)}
    if port.published:
        found.add(service_name(container, port, internal=False, explicit=True))
    return found - {""}


def image_name(image: str) -> str:
    """Return the name in an image reference: `web` for `registry.example:5000/shop/web:1.2@sha256:...`."""
    return re.split(r"[:@]", image.rpartition("/")[2], maxsplit=1)[0]


def split_tags(text: str) -> tuple[str, ...]:
    r"""Split a comma-separated list; `\,` is a comma in a tag, and blanks around tags are removed."""
    tags = (tag.replace("\\,", ",").strip() for tag in re.split(r"(?<!\\),", text))
    return tuple(tag for tag in tags if tag)
