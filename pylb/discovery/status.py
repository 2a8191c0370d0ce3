"""What a watch knows of itself, for readiness, metrics and the admin page."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class WatchStatus:
    """How one watch stands. The watch and its provider write it, everybody may read it.

    Times are `time.monotonic()` seconds.
    """

    service: str
    answered: float | None = None
    """When the registry last gave a usable answer; None means pending: it never did."""
    changed: float | None = None
    """When a snapshot was last delivered."""
    recalled: bool = False
    """Whether what is known was kept on disk from before the start; `answered` says when it was confirmed."""
    generation: int = 0
    """How many snapshots were delivered."""
    instances: int = 0
    """How many instances the last one lets requests go to."""
    retained: int = 0
    """How many of them the registry does not vouch for at present."""
    untrusted_reason: str = ""
    """Why they are held, in words."""
    hidden: int = 0
    """How many instances are kept because they are registered but not readable with the token."""
    hidden_reason: str = ""
    """Which right the token lacks for them."""
    index: int = 0
    """Consul's index of the last answer."""
    errors: int = 0
    """How often there was no usable answer, since the start."""
    error: str = ""
    """What the trouble is now; empty while the registry answers."""
    missing: str = ""
    """Why no instance is listed at all, in words; empty if some are."""
    undelivered: str = ""
    """Why the last change could not be delivered, a defect in pylb; empty if it was."""
    guards: Counter[str] = field(default_factory=Counter)
    """How often each guard acted, by name:

    - `acl_filtered`: an answer from which ACLs hid something;
    - `no_leader`, `stale_contact`: an answer of a server that knew no leader, or had not heard from it for
    some time;
    - `index_reset`: the index went backwards;
    - `empty_confirmed`, `empty_refuted`: the leader was asked whether really none is left, and said yes or
    no;
    - `held_empty`, `held_doubtful`, `held_critical`: instances kept against the registry's answer;
    - `flap_absorbed`: kept instances that came back;
    - `emptied`: all instances went at once, and that was believed;
    - `throttled`: an answer without change came too soon after the last one.
    """

    removals: Counter[str] = field(default_factory=Counter)
    """How many instances have got no requests any more, by cause (`discovery.removals`)."""

    @property
    def pending(self) -> bool:
        """Whether nothing is known yet."""
        return self.answered is None

    def age(self, now: float) -> float | None:
        """Seconds since the last usable answer."""
        return None if self.answered is None else now - self.answered
