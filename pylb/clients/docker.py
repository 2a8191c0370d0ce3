"""A client of a Docker engine's API on aiodocker: three calls that read, and the stream of events."""

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

from pylb.config.sources import Docker
from pylb.containers.container import Container

CALL_TIMEOUT = 10.0
"""Seconds for one answer."""
INSPECT_TIMEOUT = 2.0
"""Seconds for the inspection of one container; a lock of the engine on that container can block it for
ever."""
OVERLAP = 1.0
"""Seconds before the call at which a stream of events starts, so that no event falls between two streams."""
GONE = 404
OBJECT_ID = re.compile(r"[A-Za-z0-9]{1,128}")
"""Form of a container id; nothing else is put into a path."""
ACTIONS = frozenset(
    {
        *("start", "die", "kill", "destroy", "rename", "pause", "unpause"),
        *("health_status", "update", "connect", "disconnect"),
    }
)
"""Actions that can change which containers get requests. Each run of a health check causes others, not
listed."""


class EngineError(Exception):
    """The engine does not answer, or its answer has another form than expected."""


class GoneError(EngineError):
    """The requested object does not exist."""


@dataclass(frozen=True, slots=True)
class Engine:
    """Identity of an engine."""

    id: str
    """Unique; it lasts as long as the engine's data directory."""
    name: str
    """Host name of its machine."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One entry of the engine's list of containers."""

    id: str
    name: str
    state: str
    """`created`, `running`, `paused`, `restarting`, `removing`, `exited` or `dead`."""


@dataclass(frozen=True, slots=True)
class Event:
    """A change of a container, from the engine's stream."""

    action: str
    """One of `ACTIONS`."""
    container: str
    """Id of the container."""
    signal: str = ""
    """For `kill`: the number of the signal."""


class DockerClient:
    """Calls of one engine.

        async with DockerClient(options) as docker:
            for listed in await docker.containers():
                container = await docker.inspect(listed.id)

    Args:
        options: address and TLS files.

    Raises:
        EngineError: a certificate or key cannot be read.
    """

    def __init__(self, options: Docker) -> None:
        self._url = str(options.docker_host)
        scheme, _, rest = self._url.partition("://")
        context = tls_context(options.docker_certs) if options.docker_tls and options.docker_certs else None
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
        """Return the identity of the engine.

        Raises:
            EngineError: no usable answer.
        """
        with engine_errors(self._url):
            info = await self._docker.system.info()
            return Engine(id=info["ID"], name=info["Name"])

    async def containers(self) -> list[Listed]:
        """List all containers, including those that have ended.

        Raises:
            EngineError: no usable answer.
        """
        with engine_errors(self._url):
            return [
                Listed(each["Id"], (each["Names"] or [each["Id"]])[0].removeprefix("/"), each["State"])
                for each in await self._docker.containers.list(all=True)
            ]

    async def inspect(self, container: str) -> Container | None:
        """Inspect a container; return None if it does not exist.

        Args:
            container: the id of the container.

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
        """Yield the events of containers in the engine's order; events that arrived together are one batch.

        Args:
            since: start of the stream in seconds since the epoch; by default, now.
            quiet: seconds without an event after which an empty tuple is yielded; by default, never.

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
    """Wait for a relevant event, and return it with all queued ones; return None at the end of the stream."""
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
    """Decode an event of a container, or of a container's connection to a network."""
    actor = data.get("Actor") or {}
    attributes = actor.get("Attributes") or {}
    return Event(
        action=str(data.get("Action") or "").partition(":")[0],
        container=str(attributes.get("container") if data.get("Type") == "network" else actor.get("ID")),
        signal=str(attributes.get("signal") or ""),
    )


def tls_context(directory: str) -> ssl.SSLContext:
    """Create the TLS context of connections to an engine, with the client certificate.

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
    """Convert every error of a call into an `EngineError` that names the engine."""
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
