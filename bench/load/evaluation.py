"""The evaluation of a load test: its figures and the bounds that they must keep."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from statistics import mean

from bench.lib.verdict import Verdict
from bench.load.hits import InstanceHits
from bench.load.journal import Lifetime

EVEN = 0.2
"""How far a permanent instance may be from their mean, as a share of the mean."""
ENOUGH = 1_000
"""Mean number of responses from which on a difference is not due to chance or to one WebSocket."""
NOTICED = 2.0
"""Seconds of registration after which an instance must have received a request."""


@dataclass(frozen=True)
class Outcome:
    """One test, as observed from outside the balancer."""

    requests: int
    failures: int
    errors: int
    """Exceptions in the simulated users, which make the load incomplete."""
    seen: Mapping[str, InstanceHits]
    """Responses by the instance that `X-Served-By` names."""
    lifetimes: Collection[Lifetime]
    """Lifetimes of the instances of the test; empty without a registry."""
    ended: float
    """Unix time of the end of the load."""
    before: frozenset[str]
    """The balancer's processes before the test; empty if they are not watched."""
    after: frozenset[str]
    trouble: str = ""
    """Why the scaler ended early; empty if it did not."""


def evaluate(outcome: Outcome) -> Verdict:
    """Compare the figures with their bounds."""
    verdict = Verdict()
    verdict.require("requests", f"{outcome.requests:,}", holds=outcome.requests > 0)
    verdict.require_zero(
        {"failed requests": outcome.failures, "exceptions in the test itself": outcome.errors}
    )
    if outcome.lifetimes:
        evaluate_changes(verdict, outcome)
    evaluate_shares(verdict, outcome)
    evaluate_processes(verdict, outcome)
    return verdict


def evaluate_changes(verdict: Verdict, outcome: Outcome) -> None:
    """Each temporary instance receives requests, and changes continue until the end."""
    during = [
        lifetime
        for lifetime in outcome.lifetimes
        if not lifetime.permanent and lifetime.registered < outcome.ended
    ]
    left = [
        lifetime
        for lifetime in during
        if lifetime.deregistered is not None and lifetime.deregistered < outcome.ended
    ]
    changes = f"{len(during)} registrations, {len(left)} deregistrations"
    verdict.require("changes", outcome.trouble or changes, holds=bool(during) and not outcome.trouble)
    seen = outcome.seen
    missed = sum(
        lifetime.instance not in seen
        and min(lifetime.deregistered or outcome.ended, outcome.ended) - lifetime.registered >= NOTICED
        for lifetime in during
    )
    verdict.require_zero({f"instances without a request, although registered for {NOTICED:g} s": missed})
    first = [
        seen[lifetime.instance].first - lifetime.registered
        for lifetime in during
        if lifetime.instance in seen
    ]
    last = [
        seen[lifetime.instance].last - lifetime.deregistered
        for lifetime in left
        if lifetime.instance in seen and lifetime.deregistered
    ]
    verdict.times("registration → first response", [max(0.0, each) for each in first])
    verdict.times("deregistration → last response", [max(0.0, each) for each in last])


def evaluate_shares(verdict: Verdict, outcome: Outcome) -> None:
    """Permanent instances receive equal shares. Without own instances, all that responded are compared."""
    permanent = {lifetime.instance for lifetime in outcome.lifetimes if lifetime.permanent} or set(
        outcome.seen
    )
    if not outcome.seen:
        verdict.note("requests per instance", "unknown: no response had X-Served-By")
        return
    responses = {
        name: outcome.seen[name].responses if name in outcome.seen else 0 for name in sorted(permanent)
    }
    even, counts = mean(responses.values()), ", ".join(f"{count:,}" for count in responses.values())
    if even < ENOUGH:
        name = f"requests per permanent instance (not 0; compared from {ENOUGH:,} on)"
        verdict.require(name, counts, holds=min(responses.values()) > 0)
    else:
        apart = max(abs(count - even) / even for count in responses.values())
        name = f"requests per permanent instance (within {EVEN:.0%} of the mean)"
        verdict.require(name, counts, holds=apart <= EVEN)


def evaluate_processes(verdict: Verdict, outcome: Outcome) -> None:
    """The balancer's processes are the same as before."""
    if not outcome.before:
        verdict.note("the balancer's processes", "not watched")
        return
    same = outcome.before == outcome.after
    named = "; ".join(sorted(outcome.before ^ outcome.after))
    figure = f"{len(outcome.before)} before and after" if same else f"not the same: {named}"
    verdict.require("the balancer's processes: same pids, same start times", figure, holds=same)
