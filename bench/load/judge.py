"""What a load test has shown, next to what must hold."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from statistics import mean

from bench.load.journal import Stay
from bench.load.sightings import Sighting
from bench.verdict import Verdict

EVEN = 0.2
"""By how much of their mean the shares of instances that stayed may differ from it."""
ENOUGH = 1_000
"""Answers of an instance from which on that is more than chance, or one WebSocket that keeps it busy."""
NOTICED = 2.0
"""Seconds that an instance must have been registered to be missed if it got nothing."""


@dataclass(frozen=True)
class Outcome:
    """One test, as seen from outside the balancer."""

    requests: int
    failures: int
    errors: int
    """Exceptions in users: the load was not what it should have been."""
    seen: Mapping[str, Sighting]
    """Answers by instance, as the instances named themselves."""
    stays: Collection[Stay]
    """Of the instances that the harness brought; none if it had no registry."""
    ended: float
    """When the load was over."""
    before: frozenset[str]
    """The balancer's processes; none if they were not to be watched."""
    after: frozenset[str]
    trouble: str = ""
    """Why instances stopped coming and going before the end; empty if they did not."""


def judge(outcome: Outcome) -> Verdict:
    """Compare."""
    verdict = Verdict()
    verdict.must("requests", f"{outcome.requests:,}", holds=outcome.requests > 0)
    verdict.none_of({"failed requests": outcome.failures, "errors of users": outcome.errors})
    if outcome.stays:
        judge_changes(verdict, outcome)
    judge_shares(verdict, outcome)
    judge_processes(verdict, outcome)
    return verdict


def judge_changes(verdict: Verdict, outcome: Outcome) -> None:
    """Whoever comes gets requests, and changes go on until the end."""
    during = [stay for stay in outcome.stays if not stay.steady and stay.arrived < outcome.ended]
    left = [stay for stay in during if stay.left is not None and stay.left < outcome.ended]
    changes = f"{len(during)} registrations, {len(left)} deregistrations"
    verdict.must("changes", outcome.trouble or changes, holds=bool(during) and not outcome.trouble)
    seen = outcome.seen
    missed = sum(
        stay.instance not in seen and min(stay.left or outcome.ended, outcome.ended) - stay.arrived >= NOTICED
        for stay in during
    )
    verdict.none_of({f"instances without a request, although registered for {NOTICED:g} s": missed})
    first = [seen[stay.instance].first - stay.arrived for stay in during if stay.instance in seen]
    last = [seen[stay.instance].last - stay.left for stay in left if stay.instance in seen and stay.left]
    verdict.times("registered → first answer", [max(0.0, each) for each in first])
    verdict.times("deregistered → last answer", [max(0.0, each) for each in last])


def judge_shares(verdict: Verdict, outcome: Outcome) -> None:
    """Instances that stay get as much as each other; without our own, that is those that were seen."""
    steady = {stay.instance for stay in outcome.stays if stay.steady} or set(outcome.seen)
    if not outcome.seen:
        verdict.say("share of each instance", "unknown: no answer named its instance")
        return
    answers = {name: outcome.seen[name].answers if name in outcome.seen else 0 for name in sorted(steady)}
    even, counts = mean(answers.values()), ", ".join(f"{count:,}" for count in answers.values())
    if even < ENOUGH:
        name = f"share of each instance that stayed (not 0; compared from {ENOUGH:,} on)"
        verdict.must(name, counts, holds=min(answers.values()) > 0)
    else:
        apart = max(abs(count - even) / even for count in answers.values())
        name = f"share of each instance that stayed (within {EVEN:.0%} of the mean)"
        verdict.must(name, counts, holds=apart <= EVEN)


def judge_processes(verdict: Verdict, outcome: Outcome) -> None:
    """The balancer is the same as before."""
    if not outcome.before:
        verdict.say("the balancer's processes", "not watched")
        return
    same = outcome.before == outcome.after
    named = "; ".join(sorted(outcome.before ^ outcome.after))
    figure = f"{len(outcome.before)} before and after" if same else f"not the same: {named}"
    verdict.must("the balancer's processes: same pids, same start times", figure, holds=same)
