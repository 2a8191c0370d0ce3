"""A Docker engine's API, as far as it tells what runs: three calls and one stream, on aiodocker."""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import aiodocker
import aiohttp
import orjson
from aiodocker.channel import ChannelSubscriber

from pylb.containers.container import Container

CALL_TIMEOUT = 10.0
"""Seconds for one answer."""
INSPECT_TIMEOUT = 2.0
"""Seconds for the answer about one container, which a lock on that container alone may hold up for ever."""
OVERLAP = 1.0
"""Seconds that a stream of events begins before the call, so that none falls between two streams."""
GONE = 404
OBJECT_ID = re.compile(r"[A-Za-z0-9]{1,128}")
"""What an engine names containers by; nothing else goes into a path."""
ACTIONS = frozenset(
    {
        *("start", "die", "kill", "destroy", "rename", "pause", "unpause"),
        *("health_status", "update", "connect", "disconnect"),
    }
)
"""What can change where requests may go; among what is left out is the noise of each health check's run."""


class EngineError(Exception):
    """The engine does not answer, or not with what was asked for."""


class GoneError(EngineError):
    """What was asked about is not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """Where a Docker engine is and how to speak to it."""

    url: str = "unix:///var/run/docker.sock"
    """`unix:///path`, `tcp://host:port`, `http://host:port` or `https://host:port`."""
    certificates: str | None = None
    """A directory with `ca.pem`, `cert.pem` and `key.pem`, as for DOCKER_CERT_PATH; given, TLS is spoken."""


@dataclass(frozen=True, slots=True)
class Engine:
    """Which engine it is."""

    id: str
    """Its own for as long as its data directory lives."""
    name: str
    """Its machine's host name."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One container in the engine's list of all."""

    id: str
    name: str
    state: str
    """`created`, `running`, `paused`, `restarting`, `removing`, `exited` or `dead`."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened to a container."""

    action: str
    """One of `ACTIONS`."""
    container: str
    """Its id."""
    signal: str = ""
    """With `kill`: the number of the signal."""


class DockerClient:
    """Asks one engine.

        async with DockerClient(settings) as docker:
            for listed in await docker.containers():
                container = await docker.inspect(listed.id)

    Raises:
        EngineError: a certificate or key cannot be read.
    """

    def __init__(self, settings: EngineSettings) -> None:
        self._url = settings.url
        scheme, _, rest = settings.url.partition("://")
        context = tls_context(settings.certificates) if settings.certificates else None
        if context and scheme in {"tcp", "http"}:
            scheme = "https"
        self._docker = aiodocker.Docker(
            f"{scheme}://{rest}",
            ssl_context=context,
            timeout=aiohttp.ClientTimeout(total=CALL_TIMEOUT),
        )

    async def __aenter__(self) -> DockerClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._docker.close()

    async def engine(self) -> Engine:
        """Ask which engine it is.

        Raises:
            EngineError: no usable answer.
        """
        with engine_errors(self._url):
            info = await self._docker.system.info()
            return Engine(id=info["ID"], name=info["Name"])

    async def containers(self) -> list[Listed]:
        """List all containers, those that have ended too.

        Raises:
            EngineError: no usable answer.
        """
        with engine_errors(self._url):
            return [
                Listed(each["Id"], (each["Names"] or [each["Id"]])[0].removeprefix("/"), each["State"])
                for each in await self._docker.containers.list(all=True)
            ]

    async def inspect(self, container: str) -> Container | None:
        """Ask for all about one container; None if it is gone.

        Args:
            container: its id.

        Raises:
            EngineError: no usable answer.
        """
        if not OBJECT_ID.fullmatch(container):
            raise EngineError(
                f"Docker at {self._url}: expected the id of a container, got {container[:80]!r}"
            )
        try:
            with engine_errors(self._url, INSPECT_TIMEOUT):
                async with asyncio.timeout(INSPECT_TIMEOUT):
                    return Container.from_inspect(await self._docker.containers.container(container).show())
        except GoneError:
            return None

    async def events(
        self, *, since: float | None = None, quiet: float | None = None
    ) -> AsyncGenerator[tuple[Event, ...], None]:
        """Yield what happens to containers, in the engine's order; what has come together, together.

        Args:
            since: seconds since the epoch; what has happened from then on is told too. Now, if not given.
            quiet: seconds without any event after which an empty tuple is yielded.

        Raises:
            EngineError: the stream cannot be opened, or has ended.
        """
        since = time.time() if since is None else since
        filters = orjson.dumps({"type": ["container", "network"]}).decode()
        with engine_errors(self._url):
            subscriber = self._docker.events.subscribe(since=f"{since - OVERLAP:.3f}", filters=filters)
            try:
                while (batch := await _next_batch(subscriber, quiet)) is not None:
                    yield batch
            finally:
                await self._docker.events.stop()
        raise EngineError(f"Docker at {self._url}: the stream of events has ended")


async def _next_batch(subscriber: ChannelSubscriber, quiet: float | None) -> tuple[Event, ...] | None:
    """All that waits in the queue, once there is something that matters; None at the end of the stream."""
    try:
        async with asyncio.timeout(quiet):
            while True:
                found = [await subscriber.get()]
                while not subscriber.queue.empty():
                    found.append(subscriber.queue.get_nowait())
                events = tuple(e for e in map(read_event, filter(None, found)) if e.action in ACTIONS)
                if events:
                    if None in found:
                        subscriber.queue.put_nowait(None)
                    return events
                if None in found:
                    return None
    except TimeoutError:
        return ()


def read_event(data: Mapping[str, Any]) -> Event:
    """Read one event of the engine, about a container or about what it does with a network."""
    actor = data.get("Actor") or {}
    attributes = actor.get("Attributes") or {}
    return Event(
        action=str(data.get("Action") or "").partition(":")[0],
        container=str(attributes.get("container") if data.get("Type") == "network" else actor.get("ID")),
        signal=str(attributes.get("signal") or ""),
    )


def tls_context(directory: str) -> ssl.SSLContext:
    """Make what a TLS connection to an engine is checked by, and shows.

    Raises:
        EngineError: a file is missing or is not PEM.
    """
    path = Path(directory)
    try:
        context = ssl.create_default_context(cafile=str(path / "ca.pem"))
        context.load_cert_chain(path / "cert.pem", path / "key.pem")
    except OSError as error:
        raise EngineError(f"expected ca.pem, cert.pem and key.pem in {directory}: {error}") from error
    return context


@contextmanager
def engine_errors(url: str, timeout: float = CALL_TIMEOUT) -> Iterator[None]:
    """Turn everything that can go wrong with a call into an `EngineError` that names the engine."""
    place = f"Docker at {url}"
    try:
        yield
    except TimeoutError as error:
        raise EngineError(f"{place}: no answer within {timeout:g} s") from error
    except aiodocker.DockerError as error:
        kind = GoneError if error.status == GONE else EngineError
        raise kind(f"{place}: answered {error.status}: {error.message}") from error
    except (aiohttp.ClientError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise EngineError(f"{place}: {error}") from error
