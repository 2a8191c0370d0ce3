"""How much useless work a peer may cause before its session ends: two budgets, which time refills.

Valid frames can be abusive in their number: streams that are reset at once (CVE-2023-44487), or that make the
other side reset them (CVE-2025-8671), pings, settings, empty frames. Each such event costs one unit. The
rates are those of nghttp2; that completed requests refill the budget of resets is a rule of h2o.
"""

from __future__ import annotations

from pylb.http2.errors import ErrorCode, SessionError

ODDITIES = 10_000
"""Odd but legal frames that a session may receive at once."""

ODDITIES_PER_SECOND = 330
"""How fast that budget is refilled."""

RESETS = 200
"""Premature resets before new streams are refused; after as many again, the session ends."""

RESETS_PER_SECOND = 33
"""How fast that budget is refilled, besides by completed requests. So a client is served that cancels most of
its requests, such as the slower half of hedged ones."""

PREMATURE = 1.0
"""Seconds after its head within which the reset of an unanswered stream counts. Later ones are cancellations,
which gRPC clients send often."""

WORK_AT_ONCE = 256
"""Units of work of one session in an iteration of the event loop, about 1 ms: one for each frame, and for a
header block four and one more for each 64 bytes. The rest waits for the other connections."""

WORK_IF_SUSPECT = 32
"""The same for a session that has just caused useless work, so that many of them delay the others less."""

SUSPICIOUS = 16
"""Oddities and resets that a session may cause before it is suspect. Time makes it unsuspected again."""


class Guard:
    """The budgets of one session."""

    __slots__ = ("_causes", "oddities", "resets", "work_at_once")

    def __init__(self) -> None:
        self.oddities: float = ODDITIES
        self.resets: float = RESETS
        self.work_at_once = WORK_AT_ONCE
        """Units of work that the session may cause at once."""
        self._causes = 0
        """Oddities and resets since time last passed."""

    def odd(self, units: int = 1) -> None:
        """Charge an odd frame.

        Raises:
            SessionError: the budget is exhausted.
        """
        self._suspect()
        self.oddities -= units
        if self.oddities < 0:
            raise SessionError(ErrorCode.ENHANCE_YOUR_CALM, "too many frames without a purpose")

    def reset(self) -> None:
        """Charge a stream that was reset before it could be useful.

        Raises:
            SessionError: the budget is exhausted.
        """
        self._suspect()
        self.resets -= 1
        if self.resets < -RESETS:
            raise SessionError(ErrorCode.ENHANCE_YOUR_CALM, "too many streams were reset at once")

    def bad_head(self) -> None:
        """Charge a head that is refused. Its response gives one unit back, so it costs two."""
        self._suspect()
        self.resets -= 2

    def _suspect(self) -> None:
        self._causes += 1
        if self._causes > SUSPICIOUS:
            self.work_at_once = WORK_IF_SUSPECT

    def completed(self) -> None:
        """Refill the budget of resets, because a stream was answered."""
        if self.resets < RESETS:
            self.resets = min(RESETS, self.resets + 1)

    @property
    def refuses(self) -> bool:
        """Whether new streams are refused."""
        return self.resets <= 0

    def passed(self, seconds: float) -> None:
        """Refill the budgets, because time has passed."""
        if self._causes <= SUSPICIOUS:
            self.work_at_once = WORK_AT_ONCE
        self._causes = 0
        if self.oddities < ODDITIES:
            self.oddities = min(ODDITIES, self.oddities + seconds * ODDITIES_PER_SECOND)
        if self.resets < RESETS:
            self.resets = min(RESETS, self.resets + seconds * RESETS_PER_SECOND)
