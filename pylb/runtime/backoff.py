"""Delays between attempts: exponential back-off after errors, and a token bucket for successful requests."""

from __future__ import annotations

from random import Random

FIRST_DELAY = 0.1
LONGEST_DELAY = 10.0
LONGEST_ABSENCE = 1.0
"""Maximum delay after refused connections. A refused connection costs one packet, and a restarted server
should receive its clients within a second."""


class Backoff:
    """Exponential back-off from 0.1 s to 10 s, with jitter, without an end.

    Consul's own client starts at 5 s and waits up to 3 minutes; Traefik gave up (issue 3944).
    """

    def __init__(self, rng: Random | None = None) -> None:
        self._rng = rng or Random()
        self._delay = FIRST_DELAY
        self._absent = False

    def after(self, error: BaseException) -> float:
        """Return the seconds to wait after an error. Another kind of error restarts at 0.1 s."""
        absent = isinstance(error, ConnectionError)
        if absent is not self._absent:
            self.reset()
            self._absent = absent
        delay = self._delay
        self._delay = min(delay * 2, LONGEST_ABSENCE if absent else LONGEST_DELAY)
        return delay * self._rng.uniform(0.5, 1.0)

    def reset(self) -> None:
        """Restart at 0.1 s, after a success."""
        self._delay = FIRST_DELAY


class TokenBucket:
    """A rate limit with a burst. `take` never fails: it returns the time to wait."""

    def __init__(self, burst: int = 2, rate: float = 1.0) -> None:
        self.burst = burst
        self.rate = rate
        self._tokens = float(burst)
        self._at = 0.0

    def take(self, now: float) -> float:
        """Take one token; return the seconds until it is available."""
        self._tokens = min(self.burst, self._tokens + max(0.0, now - self._at) * self.rate) - 1
        self._at = now
        return max(0.0, -self._tokens / self.rate)

    def fill(self, now: float) -> None:
        """Make the whole burst available."""
        self._tokens = float(self.burst)
        self._at = now
