"""pylb's own entry in Consul."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pylb.config.kinds import HOST_PORT, HostPort, text
from pylb.config.option import Group, option


@dataclass(frozen=True, kw_only=True)
class Registration(Group):
    """pylb's own entry in Consul."""

    title: ClassVar = "Registration"

    register: str | None = option(
        text("NAME", "a name"),
        None,
        "Register pylb itself in Consul as this service, with a check that says what /ready says.",
    )
    register_address: HostPort | None = option(
        HOST_PORT,
        None,
        "The address to register, and the port, if another than that of --listen; if not given, the address "
        "of --listen, or Consul's agent's if that is any.",
    )
