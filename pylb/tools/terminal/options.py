"""What the commands that look at a running pylb have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pylb.config.kinds import ADDRESS, Address
from pylb.config.option import Group, option


@dataclass(frozen=True, kw_only=True)
class Running(Group):
    """Which pylb is looked at."""

    title: ClassVar = "The pylb to look at"

    admin: Address = option(ADDRESS, "127.0.0.1:8081", "Where its --admin listens.")
