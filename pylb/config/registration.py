"""pylb's own entry in Consul."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pylb.config.kinds import text
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
    register_address: str | None = option(
        text("ADDRESS", "an address"),
        None,
        "The address to register; if not given, that of --listen, or Consul's agent's if that is any.",
    )
