"""A route as it was declared: a match, actions, a service, and settings. A frozen value.

`grammar` reads it from text and `text` writes it; `fabio` and `traefik` translate tags; `table` compiles it.
"""

from __future__ import annotations

from dataclasses import dataclass

from pylb.routes.actions import NO_ACTIONS, Actions
from pylb.routes.match import Match

ANYTHING = Match()


@dataclass(frozen=True, slots=True)
class Problem:
    """A declaration that is not served as it was written."""

    text: str
    """One sentence, with the reason."""
    service: str = ""
    source: str = ""
    """Where the declaration is: `--service`, `tag urlprefix-/api of web-1`."""
    excluded: bool = True
    """Whether the declaration has no effect; else it has one that may surprise."""


@dataclass(frozen=True, slots=True)
class Share:
    """The share of a route among the routes of the same match."""

    weight: float
    by: str = ""
    """What a request is assigned by: `client`, or `cookie:NAME`; empty for at random."""


@dataclass(frozen=True, slots=True)
class Route:
    """The requests that a service receives, and what is changed on the way."""

    service: str
    match: Match = ANYTHING
    actions: Actions = NO_ACTIONS
    share: Share | None = None
    settings: tuple[tuple[str, str], ...] = ()
    """Options of the service, by name, in the order of declaration; they are checked where they are read."""
    priority: int | None = None
    """Of an imported Traefik rule: its priority. Such routes are ordered by it."""
    blocked: str = ""
    """Why pylb answers its requests with 503; empty if it serves them."""
    source: str = ""
    """Where it was declared."""

    @property
    def has_pool(self) -> bool:
        """Whether its requests need a backend."""
        return not (self.actions.answers or self.blocked)
