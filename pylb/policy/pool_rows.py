"""The rows of the pools of this process. Nothing here changes state."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pylb.model import PoolState
from pylb.policy.backend import Backend
from pylb.policy.pool import Pool
from pylb.policy.rows import BackendRow, ServiceRow


class PoolRows:
    """The rows of pools, for a process that holds all pools itself; see `admin.views.Rows`.

    Args:
        pools: the pool of each service.
    """

    def __init__(self, pools: Mapping[str, Pool]) -> None:
        self._pools = pools

    @property
    def services(self) -> Iterable[str]:
        """The names of the services."""
        return self._pools

    def applied(self, service: str) -> PoolState | None:
        """Return the last state of a pool; None while the registry has not answered yet."""
        return self._pools[service].applied

    def row(self, service: str) -> ServiceRow:
        """Return the row of a service."""
        return row_of(self._pools[service])

    def upcoming(self, service: str) -> str | None:
        """Return the address of the backend that the next request receives; None if none is eligible."""
        backend = self._pools[service].upcoming()
        return None if backend is None else backend.name


def row_of(pool: Pool) -> ServiceRow:
    """Return the row of a pool."""
    backends = {backend: _backend(backend) for backend in pool.backends.values()}
    return ServiceRow(
        pool.service,
        pool.policy,
        pool.applied,
        tuple(backends.values()),
        tuple(map(_backend, pool.draining.values())),
        tuple(backends[backend] for backend in pool.eligible),
        pool.panics,
        pool.waiting,
    )


def _backend(backend: Backend) -> BackendRow:
    return BackendRow(
        backend.endpoint,
        backend.overlay,
        backend.state,
        backend.weight,
        backend.ramp_fraction,
        backend.inflight,
        backend.load,
        len(backend.idle),
        *backend.http2,
        backend.health.failures,
        backend.health.until,
        backend.unreachable,
    )
