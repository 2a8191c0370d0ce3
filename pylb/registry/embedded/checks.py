"""Checks at work: a clock that a service must keep winding up, and probes that go and look.

Statuses and the words of outputs are those of Consul 1.8, which are partly Go's.
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
"""Takes a status and an output."""
Attempt = Callable[[], Awaitable[tuple[str, str]]]
"""Looks once, and says how it is; never raises."""

MIN_INTERVAL = 1.0
DEFAULT_TIMEOUT = 10.0
PROBE_HEADERS = {"User-Agent": "Consul Health Check", "Accept": "text/plain, text/*, */*"}


class Runner(Protocol):
    """What keeps a check's status up to date until it is stopped."""

    def start(self) -> None:
        """Begin, in the running event loop."""

    def stop(self) -> None:
        """End; nothing is reported any more."""


class TimeToLive:
    """Turns critical unless somebody reports a status in time.

    Args:
        definition: of a check with a `ttl`.
        report: where the status goes.
    """

    def __init__(self, definition: CheckDefinition, report: Report) -> None:
        self._ttl = definition.ttl
        self._max_output = definition.output_max_size or DEFAULT_OUTPUT_SIZE
        self._report = report
        self._last_output = ""
        self._expiry: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to wait for a status."""
        self.stop()
        self._expiry = asyncio.get_running_loop().call_later(self._ttl, self._expire)

    def stop(self) -> None:
        """Stop waiting."""
        if self._expiry:
            self._expiry.cancel()

    def beat(self, status: str, output: str) -> None:
        """Report what the service says of itself, and wait for the next time."""
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
    """Looks again and again.

    Args:
        definition: how often, and how many results in a row it takes to believe a change.
        attempt: looks once.
        report: where the status goes.
    """

    def __init__(self, definition: CheckDefinition, attempt: Attempt, report: Report) -> None:
        self._name = f"check {definition.id}"
        self._interval = max(definition.interval, MIN_INTERVAL)
        self._needed = {True: definition.success_before_passing, False: definition.failures_before_critical}
        self._attempt = attempt
        self._report = report
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Look within an interval, so that checks that started together spread, and then at each interval."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name=self._name)

    def stop(self) -> None:
        """Look no more."""
        if self._task:
            self._task.cancel()

    async def _run(self) -> None:
        await asyncio.sleep(random.uniform(0, self._interval))
        streak = dict(self._needed)  # so that the first result is believed at once
        while True:
            status, output = await self._attempt()
            good = status != CRITICAL
            streak[good] += 1
            streak[not good] = 0
            if streak[good] >= self._needed[good]:
                self._report(status, output)
            await asyncio.sleep(self._interval)


def http_attempt(definition: CheckDefinition, session: aiohttp.ClientSession) -> Attempt:
    """A request: 2xx passes, 429 warns, anything else is critical."""
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
    """A connection, which passes if it is accepted."""
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
