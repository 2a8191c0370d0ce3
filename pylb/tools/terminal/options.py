"""The options that the commands for a running pylb share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pylb.config.kinds import ADDRESS, Address
from pylb.config.option import Group, option


@dataclass(frozen=True, kw_only=True)
class Running(Group):
    """Which pylb to query."""

    title: ClassVar = "The running pylb"

    admin: Address = option(ADDRESS, "127.0.0.1:8081", "The admin address of the running pylb (its --admin).")
