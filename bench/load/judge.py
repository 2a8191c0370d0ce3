"""What a load test has shown, next to what must hold."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from statistics import mean

from bench.lib.verdict import Verdict
from bench.load.hits import Sighting
from bench.load.journal import Lifetime

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
    lifetimes: Collection[Lifetime]
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
    verdict.none_of({"failed requests": outcome.failures, "exceptions in the test itself": outcome.errors})
    if outcome.lifetimes:
        judge_changes(verdict, outcome)
    judge_shares(verdict, outcome)
    judge_processes(verdict, outcome)
    return verdict


def judge_changes(verdict: Verdict, outcome: Outcome) -> None:
    """Whoever comes gets requests, and changes go on until the end."""
    during = [
        lifetime for lifetime in outcome.lifetimes if not lifetime.steady and lifetime.arrived < outcome.ended
    ]
    left = [lifetime for lifetime in during if lifetime.left is not None and lifetime.left < outcome.ended]
    changes = f"{len(during)} registrations, {len(left)} deregistrations"
    verdict.must("changes", outcome.trouble or changes, holds=bool(during) and not outcome.trouble)
    seen = outcome.seen
    missed = sum(
        lifetime.instance not in seen
        and min(lifetime.left or outcome.ended, outcome.ended) - lifetime.arrived >= NOTICED
        for lifetime in during
    )
    verdict.none_of({f"instances without a request, although registered for {NOTICED:g} s": missed})
    first = [
        seen[lifetime.instance].first - lifetime.arrived for lifetime in during if lifetime.instance in seen
    ]
    last = [
        seen[lifetime.instance].last - lifetime.left
        for lifetime in left
        if lifetime.instance in seen and lifetime.left
    ]
    verdict.times("registration → first response", [max(0.0, each) for each in first])
    verdict.times("deregistration → last response", [max(0.0, each) for each in last])


def judge_shares(verdict: Verdict, outcome: Outcome) -> None:
    """Instances that stay get as much as each other; without our own, that is those that were seen."""
    steady = {lifetime.instance for lifetime in outcome.lifetimes if lifetime.steady} or set(outcome.seen)
    if not outcome.seen:
        verdict.say("requests per instance", "unknown: no response had X-Served-By")
        return
    answers = {name: outcome.seen[name].answers if name in outcome.seen else 0 for name in sorted(steady)}
    even, counts = mean(answers.values()), ", ".join(f"{count:,}" for count in answers.values())
    if even < ENOUGH:
        name = f"requests per permanent instance (not 0; compared from {ENOUGH:,} on)"
        verdict.must(name, counts, holds=min(answers.values()) > 0)
    else:
        apart = max(abs(count - even) / even for count in answers.values())
        name = f"requests per permanent instance (within {EVEN:.0%} of the mean)"
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
