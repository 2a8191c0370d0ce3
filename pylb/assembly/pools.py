"""Which service gets which requests, and how its pool chooses: as the options say."""

from __future__ import annotations

import logging
from collections.abc import Callable
from time import monotonic

from pylb.config import Options
from pylb.config.backends import Pools, Retries
from pylb.errors import UsageError
from pylb.observe.counter_layout import ATTEMPTS
from pylb.policy.backend import Backend, State
from pylb.policy.budget import BudgetRules
from pylb.policy.health import HealthRules
from pylb.policy.outliers import Outliers
from pylb.policy.pool import Pool
from pylb.policy.queue import QueueRules
from pylb.policy.retry import SAFE, RetryRules
from pylb.policy.route import Route, Routes, parse_route

log = logging.getLogger("pylb.health")


def read_routes(options: Options) -> tuple[Route, ...]:
    """The routes that `--service` declares; without any, `--static` is one service that takes all requests.

    Raises:
        UsageError: one cannot be read, or two are for the same requests.
    """
    try:
        routes = tuple(parse_route(text) for text in options.service or ("static",))
        Routes(routes, {route.service: Pool(route.service) for route in routes})
    except ValueError as error:
        raise UsageError(f"--service: {error}") from None
    return routes


def make_pool(
    kind: Callable[..., Pool],
    service: str,
    options: Pools,
    processes: int = 1,
    *,
    clock: Callable[[], float] = monotonic,
    on_state_change: Callable[[Backend], None] | None = None,
) -> Pool:
    """An empty pool that goes by the options.

    Args:
        kind: of pool.
        service: its name.
        options: what users say of pools.
        processes: among how many limits are shared.
        clock: seconds.
        on_state_change: called when a backend stands elsewhere than before; it is logged, unless given.
    """
    return kind(
        service,
        policy=options.policy,
        budget=BudgetRules(share=options.retry_budget / 100),
        health=HealthRules(
            suspect=options.suspect_time,
            failures=options.eject_failures,
            ejected=options.eject_time,
            share=options.max_ejection_percent / 100,
            panic=options.panic_threshold / 100,
            panic_fails=options.panic == "fail",
        ),
        outliers=Outliers(lambda backend: int(backend.cells[ATTEMPTS])) if options.eject_outliers else None,
        slow_start=options.slow_start,
        queue=QueueRules(
            most=options.max_conn,
            length=options.max_queue,
            timeout=options.queue_timeout,
            processes=processes,
        ),
        clock=clock,
        on_state_change=on_state_change or tell,
    )


def retry_rules(options: Retries) -> RetryRules:
    """What may be tried again."""
    return RetryRules(
        retries=options.retries,
        on=options.retry_on,
        methods=SAFE | {method.encode() for method in options.retry_methods},
        keyed=options.retry_idempotency_key,
    )


def tell(backend: Backend) -> None:
    """Log where a backend stands now, by what traffic and probes say of it."""
    service = backend.endpoint.service
    if backend.state is State.UP:
        log.info("%s: %s takes requests again", service, backend.name)
    elif backend.state is State.HALF_OPEN:
        log.info("%s: %s is on probation, with one request at a time", service, backend.name)
    elif backend.state is State.FAILED and (verdict := backend.endpoint.verdict):
        log.warning("%s: %s fails its probes: %s", service, backend.name, verdict.why)
    else:
        seconds = backend.health.until - backend.health.since
        log.warning("%s: %s is %s for %.3g s", service, backend.name, backend.state.value, seconds)
