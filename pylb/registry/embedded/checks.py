"""Runners of checks: a TTL timer, and probes that repeat an HTTP request or a TCP connection.

Statuses and outputs are those of Consul 1.8; parts of the outputs are messages of Go's standard library.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Awaitable, Callable
from typing import Protocol

import aiohttp

from pylb.registry.embedded.definitions import (
    CRITICAL,
    DEFAULT_OUTPUT_SIZE,
    PASSING,
    WARNING,
    CheckDefinition,
)

Report = Callable[[str, str], None]
"""Receives a status and an output."""
Attempt = Callable[[], Awaitable[tuple[str, str]]]
"""Probes once and returns a status and an output; never raises."""

MIN_INTERVAL = 1.0
DEFAULT_TIMEOUT = 10.0
PROBE_HEADERS = {"User-Agent": "Consul Health Check", "Accept": "text/plain, text/*, */*"}


class Runner(Protocol):
    """Updates the status of a check until it is stopped."""

    def start(self) -> None:
        """Start in the running event loop."""

    def stop(self) -> None:
        """Stop; no status is reported afterwards."""


class TimeToLive:
    """Reports critical if no status arrives within the time to live.

    Args:
        definition: a check with a `ttl`.
        report: receives the status.
    """

    def __init__(self, definition: CheckDefinition, report: Report) -> None:
        self._ttl = definition.ttl
        self._max_output = definition.output_max_size or DEFAULT_OUTPUT_SIZE
        self._report = report
        self._last_output = ""
        self._expiry: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Start the time to live."""
        self.stop()
        self._expiry = asyncio.get_running_loop().call_later(self._ttl, self._expire)

    def stop(self) -> None:
        """Stop the timer."""
        if self._expiry:
            self._expiry.cancel()

    def set_status(self, status: str, output: str) -> None:
        """Report a status of the service, and restart the time to live."""
        if len(output) > self._max_output:
            captured = f"captured {self._max_output} of {len(output)} bytes"
            output = f"{output[: self._max_output]} ... ({captured})"
        self._last_output = output
        self._report(status, output)
        self.start()

    def _expire(self) -> None:
        last = self._last_output and f" (last output before timeout follows): {self._last_output}"
        self._report(CRITICAL, f"TTL expired{last}")


class Probe:
    """Probes at an interval.

    Args:
        definition: the interval, and the number of equal results after which a status changes.
        attempt: probes once.
        report: receives the status.
    """

    def __init__(self, definition: CheckDefinition, attempt: Attempt, report: Report) -> None:
        self._name = f"check {definition.id}"
        self._interval = max(definition.interval, MIN_INTERVAL)
        self._needed = {True: definition.success_before_passing, False: definition.failures_before_critical}
        self._attempt = attempt
        self._report = report
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start; a random delay of up to one interval spreads the probes of different checks."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name=self._name)

    def stop(self) -> None:
        """Stop probing."""
        if self._task:
            self._task.cancel()

    async def _run(self) -> None:
        await asyncio.sleep(random.uniform(0, self._interval))
        streak = dict(self._needed)  # the first result is reported immediately
        while True:
            status, output = await self._attempt()
            good = status != CRITICAL
            streak[good] += 1
            streak[not good] = 0
            if streak[good] >= self._needed[good]:
                self._report(status, output)
            await asyncio.sleep(self._interval)


def http_attempt(definition: CheckDefinition, session: aiohttp.ClientSession) -> Attempt:
    """Return a probe by HTTP request: 2xx is passing, 429 warning, anything else critical."""
    method = definition.method or "GET"
    own = {name.lower() for name in definition.header}
    headers = [(name, value) for name, value in PROBE_HEADERS.items() if name.lower() not in own]
    headers += [(name, value) for name, values in definition.header.items() for value in values]
    timeout = aiohttp.ClientTimeout(total=_timeout(definition))
    size = definition.output_max_size or DEFAULT_OUTPUT_SIZE

    async def attempt() -> tuple[str, str]:
        try:
            async with session.request(
                method,
                definition.http,
                headers=headers,
                data=definition.body or None,
                ssl=not definition.tls_skip_verify,
                timeout=timeout,
            ) as response:
                body = (await response.read())[-size:].decode(errors="replace")
        except TimeoutError:
            problem = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
            return CRITICAL, f'{method.title()} "{definition.http}": {problem}'
        except aiohttp.ClientConnectorError as error:
            problem = _dial_problem(f"{error.host}:{error.port}", error.os_error)
            return CRITICAL, f'{method.title()} "{definition.http}": {problem}'
        except (aiohttp.ClientError, ValueError) as error:
            return CRITICAL, f'{method.title()} "{definition.http}": {error}'
        output = f"HTTP {method} {definition.http}: {response.status} {response.reason} Output: {body}"
        if 200 <= response.status < 300:
            return PASSING, output
        return (WARNING if response.status == 429 else CRITICAL), output

    return attempt


def tcp_attempt(definition: CheckDefinition) -> Attempt:
    """Return a probe by TCP connection, which is passing if it is accepted."""
    host, colon, port = definition.tcp.rpartition(":")

    async def attempt() -> tuple[str, str]:
        if not colon:
            return CRITICAL, f"dial tcp: address {definition.tcp}: missing port in address"
        try:
            async with asyncio.timeout(_timeout(definition)):
                _, writer = await asyncio.open_connection(host.strip("[]"), port)
        except TimeoutError:
            return CRITICAL, f"dial tcp {definition.tcp}: i/o timeout"
        except OSError as error:
            return CRITICAL, _dial_problem(definition.tcp, error)
        except (ValueError, OverflowError) as error:
            return CRITICAL, f"dial tcp: address {definition.tcp}: {error}"
        writer.close()
        return PASSING, f"TCP connect {definition.tcp}: Success"

    return attempt


def _timeout(definition: CheckDefinition) -> float:
    return definition.timeout if definition.timeout > 0 else DEFAULT_TIMEOUT


def _dial_problem(address: str, error: OSError) -> str:
    if error.errno is None or error.errno < 0:  # no address was found for the name
        return f"dial tcp: lookup {address.rpartition(':')[0]}: no such host"
    return f"dial tcp {address}: connect: {os.strerror(error.errno).lower()}"
