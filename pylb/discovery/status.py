"""The state of one service's discovery, for readiness, metrics and the dashboard."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class DiscoveryStatus:
    """The state of one pipeline. The pipeline, its watch and its provider write it; others only read it.

    Times are `time.monotonic()` seconds.
    """

    service: str
    answered: float | None = None
    """When the registry last gave a usable response; None: pending, there was none yet."""
    changed: float | None = None
    """When a state was last delivered."""
    restored: bool = False
    """Whether the instances were restored from disk; `answered` is then the time of their confirmation."""
    generation: int = 0
    """The number of the last state. `discovery.pipeline` alone increases it."""
    instances: int = 0
    """How many instances the last snapshot permits requests to."""
    retained: int = 0
    """How many of them the last response does not confirm."""
    untrusted_reason: str = ""
    """Why they are retained, as text."""
    hidden: int = 0
    """How many instances are retained because they are registered but not readable with the token."""
    hidden_reason: str = ""
    """Which right the token lacks for them."""
    index: int = 0
    """Consul's index of the last response."""
    errors: int = 0
    """How often there was no usable response since the start."""
    error: str = ""
    """The present failure; empty while the registry responds."""
    missing: str = ""
    """Why no instance is listed at all, as text; empty if some are."""
    missing_reported: str = ""
    """The reason that was last logged."""
    undelivered: str = ""
    """Why the last state could not be delivered, a defect in pylb; empty if it was."""
    guards: Counter[str] = field(default_factory=Counter)
    """How often each guard acted, by name:

    - `acl_filtered`: a response from which ACLs hid instances;
    - `no_leader`, `stale_contact`: a response of a server without a leader, or without recent contact to it;
    - `index_reset`: the index decreased;
    - `empty_confirmed`, `empty_refuted`: the leader was asked whether no instance is left, and confirmed or
    refuted it;
    - `retained_empty`, `retained_untrusted`, `retained_critical`: instances retained against the response;
    - `flap_absorbed`: retained instances that returned;
    - `emptied`: all instances were removed at once;
    - `throttled`: a response without a change came too soon after the last one.
    """

    removals: Counter[str] = field(default_factory=Counter)
    """How many instances were removed, by cause (`discovery.difference`)."""

    @property
    def pending(self) -> bool:
        """Whether the registry has not responded yet."""
        return self.answered is None

    def age(self, now: float) -> float | None:
        """Seconds since the last usable response."""
        return None if self.answered is None else now - self.answered
