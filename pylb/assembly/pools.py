"""Builds routes and pools from options."""

from __future__ import annotations

import logging
from collections.abc import Callable
from time import monotonic

from pylb.config import Options
from pylb.config.backends import PoolOptions
from pylb.config.settings import of_pool, with_settings
from pylb.errors import UsageError
from pylb.observe.counter_layout import ATTEMPTS
from pylb.policy.backend import Backend, State
from pylb.policy.outliers import Outliers
from pylb.policy.pool import Pool
from pylb.routes.declaration import ServiceDeclaration, declare
from pylb.routes.grammar import parse_service
from pylb.routes.resolve import Entry, resolve

log = logging.getLogger("pylb.health")


def declarations(options: Options) -> tuple[ServiceDeclaration, ...]:
    """Return the services of `--service`. Without any, `--static` is one service that receives all requests.

    Raises:
        UsageError: a route or a setting is invalid, or two of them contradict each other.
    """
    texts = options.service or (() if options.catalog or options.routes else ("static",))
    try:
        declared = declare([parse_service(text, "--service") for text in texts])
        for each in declared:
            _check_settings(each, options)
    except ValueError as error:
        raise UsageError(f"--service: {error}") from None
    entries = [Entry(age, route, None) for each in declared for age, route in each.aged()]
    for _, problem in resolve(entries)[1]:
        if problem.excluded:
            raise UsageError(f"--service: {problem.text}, expected one")
    return declared


def _check_settings(declaration: ServiceDeclaration, options: Options) -> None:
    """Check the settings of all routes of a service.

    Raises:
        ValueError: one is invalid, or two routes have different ones for the pool that they share.
    """
    of_service: dict[str, str] = {}
    for route in declaration.routes:
        with_settings(options, route.settings)
        for name, value in route.settings:
            if of_pool(name) and of_service.setdefault(name, value) != value:
                both = f"{of_service[name]!r} and {value!r}"
                raise ValueError(f"{name} of {declaration.service} is {both}, expected one value")
    with_settings(options, tuple(of_service.items()))


def make_pool(
    kind: Callable[..., Pool],
    service: str,
    options: PoolOptions,
    processes: int = 1,
    *,
    clock: Callable[[], float] = monotonic,
    on_state_change: Callable[[Backend], None] | None = None,
) -> Pool:
    """Return an empty pool that is configured by the options.

    Args:
        kind: the class of the pool.
        service: the name of the service.
        options: the options of pools.
        processes: the number of processes among which limits are divided.
        clock: monotonic seconds.
        on_state_change: called when a backend changes state. By default, state changes are logged.
    """
    return kind(
        service,
        PoolOptions.of(options),
        processes=processes,
        outliers=_outliers(options),
        clock=clock,
        on_state_change=on_state_change or log_state,
    )


def configure_pool(pool: Pool, options: PoolOptions) -> None:
    """Apply other options to a pool."""
    pool.configure(PoolOptions.of(options), _outliers(options))


def _outliers(options: PoolOptions) -> Outliers | None:
    return Outliers(lambda backend: int(backend.counters[ATTEMPTS])) if options.eject_outliers else None


def log_state(backend: Backend) -> None:
    """Log the new state of a backend."""
    service = backend.endpoint.service
    if backend.state is State.UP:
        log.info("%s: %s receives requests again", service, backend.name)
    elif backend.state is State.HALF_OPEN:
        log.info("%s: %s is half-open: one trial request at a time", service, backend.name)
    elif backend.state is State.FAILED and (verdict := backend.overlay.verdict):
        log.warning("%s: %s fails its probes: %s", service, backend.name, verdict.why)
    else:
        seconds = backend.health.until - backend.health.since
        log.warning("%s: %s is %s for %.3g s", service, backend.name, backend.state.value, seconds)
