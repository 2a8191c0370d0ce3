"""Builds pools from options."""

from __future__ import annotations

import logging
from collections.abc import Callable
from hashlib import blake2b
from time import monotonic

from pylb.config.backends import PoolOptions
from pylb.observe.counter_layout import ATTEMPTS
from pylb.policy.backend import Backend, State
from pylb.policy.balance.hash import Steps, run_at_once
from pylb.policy.outliers import Outliers
from pylb.policy.pool import Pool

log = logging.getLogger("pylb.health")


def make_pool(
    kind: Callable[..., Pool],
    service: str,
    options: PoolOptions,
    processes: int = 1,
    *,
    clock: Callable[[], float] = monotonic,
    on_state_change: Callable[[Backend], None] | None = None,
    run: Steps = run_at_once,
    secret: bytes = b"",
) -> Pool:
    """Return an empty pool that is configured by the options.

    Args:
        kind: the class of the pool.
        service: the name of the service.
        options: the options of pools.
        processes: the number of processes among which limits are divided.
        clock: monotonic seconds.
        on_state_change: called when a backend changes state. By default, state changes are logged.
        run: runs the steps in which the table of a policy is made.
        secret: the key of sticky sessions, if the options have none.
    """
    return kind(
        service,
        PoolOptions.of(options),
        processes=processes,
        outliers=_outliers(options),
        clock=clock,
        on_state_change=on_state_change or log_state,
        run=run,
        secret=session_key(options, secret),
    )


def session_key(options: PoolOptions, secret: bytes) -> bytes:
    """Return the key of sticky sessions: that of the options, or a secret of this pylb."""
    if not options.sticky_key:
        return secret
    return blake2b(options.sticky_key.encode("utf-8", "surrogateescape")).digest()


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
