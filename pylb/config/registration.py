"""Options for the registration of pylb itself in Consul."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pylb.config.kinds import HOST_PORT, HostPort, text
from pylb.config.option import Group, option


@dataclass(frozen=True, kw_only=True)
class Registration(Group):
    """The registration of pylb itself in Consul."""

    title: ClassVar = "Registration"

    register: str | None = option(
        text("NAME", "a name"),
        None,
        "Register pylb in Consul as this service, with a check on /ready. By default, pylb is not "
        "registered.",
    )
    register_address: HostPort | None = option(
        HOST_PORT,
        None,
        "Address and port to register. Defaults to those of --listen; if it listens on all interfaces, to "
        "the address of the Consul agent.",
    )
