"""Backends of given weights, and what a series of picks says about them."""

from itertools import islice, pairwise

from pylb.config.backends import PoolOptions
from pylb.model import Endpoint
from pylb.policy.backend import Backend
from pylb.policy.pool import Pool

ARGUMENTS = {"processes", "rng", "counters", "outliers", "clock", "on_state_change", "secret"}
"""Of `Pool`, besides options."""


def endpoint(number, *, weight=1, port=80, **fields):
    return Endpoint("web", f"10.0.0.{number}", port, id=f"web-{number}", weight=weight, **fields)


def web_pool(kind=Pool, **given):
    """A pool of the service `web`, with options and arguments of `Pool`; without slow start by default."""
    options = {name: value for name, value in given.items() if name not in ARGUMENTS}
    arguments = {name: value for name, value in given.items() if name in ARGUMENTS}
    return kind("web", PoolOptions(**{"slow_start": 0.0} | options), **arguments)


def backends(*weights):
    return [Backend(endpoint(number, weight=weight)) for number, weight in enumerate(weights, 1)]


def picks(balancer):
    """The numbers of the backends picked, counted from 0, for ever."""
    while True:
        yield int(balancer.pick().endpoint.id.removeprefix("web-")) - 1


def take(balancer, count):
    return list(islice(picks(balancer), count))


def gaps(sequence, member):
    """How many picks lie between each two of `member`."""
    places = [place for place, pick in enumerate(sequence) if pick == member]
    return [later - earlier for earlier, later in pairwise(places)]


def surprise(counts, weights):
    """How badly random counts fit the weights: chi-square in standard deviations above what chance makes it.

    Below 0 is a good fit, above 6 no accident.
    """
    total, weight, freedom = sum(counts), sum(weights), len(weights) - 1
    expected = [total * w / weight for w in weights]
    square = sum((c - e) ** 2 / e for c, e in zip(counts, expected, strict=True))
    return (square - freedom) / (2 * freedom) ** 0.5
