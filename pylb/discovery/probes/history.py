"""The results of the probes of one instance, and the verdict that follows from them.

It does no I/O and does not read the clock.
"""

from __future__ import annotations

from pylb.config.backends import Health
from pylb.discovery.probes.result import Result
from pylb.model import ProbeVerdict


class ProbeHistory:
    """The verdict on one instance.

    Args:
        verdict: the last verdict; None if there was none. An instance without a verdict counts as working.
    """

    def __init__(self, verdict: ProbeVerdict | None = None) -> None:
        self.verdict = verdict
        self._against = 0
        """Consecutive results that contradict the verdict."""

    @property
    def changing(self) -> bool:
        """Whether the last result contradicts the verdict."""
        return self._against > 0

    def on_result(self, result: Result, options: Health, *, clears: bool) -> bool:
        """Take a result; return whether it makes a new verdict.

        Args:
            result: of the last probe.
            options: how many results make a verdict.
            clears: whether a success supersedes earlier results of requests, so that it is a verdict anyway.
        """
        well = self.verdict is None or self.verdict.well
        if result.well == well:
            self._against = 0
            if not (result.well and clears):
                return False
        else:
            self._against += 1
            if self._against < (options.probe_fall if well else options.probe_rise):
                return False
            self._against = 0
        number = self.verdict.number + 1 if self.verdict else 1
        self.verdict = ProbeVerdict(result.well, number, unreachable=result.unreachable, why=result.why)
        return True
