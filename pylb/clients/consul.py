"""A client of Consul's HTTP API on py-consul, with the additions that a long-lived watch needs.

It changes py-consul 1.x by overriding its HTTP client:

- the `X-Consul-*` response headers are available; py-consul's callbacks drop all but the index;
- each call has a separate deadline; aiohttp's default of 300 s would end a long blocking query as an error;
- a call whose connection breaks fails; aiohttp would repeat it without the knowledge of the caller;
- TCP keepalive detects dead peers, so that a half-open connection cannot stall a watch for the 15 minutes
  for which the kernel retransmits (Traefik issue 11688);
- the token file is read again when it changes; py-consul reads it once;
- a path is sent unchanged, and dot segments are rejected; aiohttp would remove them, which selects another
  call;
- its options are the only source of settings; py-consul prefers CONSUL_HTTP_TOKEN to the given token;
- every error is a `ConsulError` that names the agent; py-consul has several bases.

All of py-consul's calls work, and the modules of this folder use them where they suffice. Where a call needs
a header, bytes that are not decoded, or segments that are encoded one by one, the module passes a callback to
`http` instead (docs/adr/py-consul.md has the list).
"""

from __future__ import annotations

import asyncio
import base64
import os
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode, urlsplit

import aiohttp
import consul
import consul.aio
import orjson
from yarl import URL

from pylb.clients.path import encoded_path, encoded_text
from pylb.config.sources import Consul

T = TypeVar("T")

CALL_TIMEOUT = 10.0
"""Seconds for a call that is not a blocking query; above the 7 s for which a server waits for a leader."""
ANSWER_TIMEOUT = 5.0
"""Seconds for the answer to a blocking query to arrive after Consul's longest wait."""
CONNECT_TIMEOUT = 5.0
"""Seconds for a TCP connection and its TLS handshake."""
KEEPALIVE_IDLE, KEEPALIVE_INTERVAL, KEEPALIVE_PROBES = 15, 5, 3
"""Seconds before and between TCP probes, and unanswered probes that end the connection: 30 s in all."""
HINTS = {
    403: "the token needs service:read and node:read",
    429: "raise limits.http_max_conns_per_client in the agent's configuration (200 by default)",
}


class ConsulError(consul.ConsulException):  # type: ignore[misc]  # py-consul carries no types
    """Consul's answer is an error, or has another form than expected."""


class ConsulDeniedError(ConsulError):
    """Consul denied the call: the token is unknown or lacks a right."""


class ConsulUnreachableError(ConsulError, ConnectionError):
    """No answer: the connection failed, or the deadline passed."""


@dataclass(frozen=True, slots=True)
class HealthAnswer:
    """One answer of `/v1/health/service/NAME`: the instances, and the headers that qualify them."""

    items: list[Any]
    """The decoded JSON array: one object with Node, Service and Checks for each instance."""
    index: int
    """`X-Consul-Index`, at least 1, so that a query with it is a blocking query."""
    last_contact: float = 0.0
    """Seconds since the last contact of the answering server with the leader."""
    known_leader: bool = True
    filtered: bool = False
    """Whether ACLs removed entries from the answer (reported by Consul 1.11 and newer)."""


class ConsulClient(consul.aio.Consul):  # type: ignore[misc]  # py-consul carries no types
    """py-consul's asynchronous client; all its calls work. Create it inside a running event loop.

        async with ConsulClient(options) as client:
            answer = await client.service_health("web")

    Args:
        options: address, credentials and defaults of the calls.
        connections: largest number of concurrent calls; further calls wait for a connection.

    Raises:
        ConsulError: a certificate or key cannot be read.
    """

    def __init__(self, options: Consul, connections: int = 1) -> None:
        self.options = options
        self._connections = connections
        self._token_file = TokenFile(options.token_file) if options.token_file else None
        url = urlsplit(str(options.consul_url))
        super().__init__(
            host=url.hostname or "localhost",
            port=url.port,
            scheme=url.scheme,
            dc=options.datacenter,
            verify=options.consul_verify,
            consistency=options.consistency,
        )

    def http_connect(self, *_: object) -> HTTPClient:
        """Create the HTTP client; py-consul's constructor calls this with a part of the options."""
        return HTTPClient(self.options, self._connections)

    def prepare_headers(self, token: str | None = None) -> dict[str, str]:
        """Return the headers of a call; `token` takes precedence over that of the options.

        Raises:
            ConsulError: the token file cannot be read.
        """
        if not token:
            token = self._token_file.read() if self._token_file else self.options.token
        return {"X-Consul-Token": token} if token else {}

    async def service_health(
        self,
        service: str,
        *,
        tags: Sequence[str] = (),
        index: int = 0,
        wait: float = 55.0,
        consistency: str | None = None,
    ) -> HealthAnswer:
        """Return all instances of a service, healthy or not.

        `passing` is never sent: the agent filters after the query, so it saves nothing, and unhealthy
        instances could not be explained.

        Args:
            service: the name of the service.
            tags: only instances with all of these tags.
            index: wait for an answer with a greater index; 0 returns the current one.
            wait: longest wait in seconds; Consul adds up to a sixteenth, the client 5 s for the answer to
                arrive.
            consistency: overrides that of the options.

        Raises:
            ConsulUnreachableError: no answer.
            ConsulError: any status but 200, or a body or header that cannot be understood.
        """
        params: list[tuple[str, Any]] = [("tag", tag) for tag in tags]
        if self.options.datacenter:
            params.append(("dc", self.options.datacenter))
        consistency = consistency or self.options.consistency
        if consistency != "default":
            params.append((consistency, ""))
        deadline = CALL_TIMEOUT
        if index:
            params += [("index", index), ("wait", f"{wait:g}s")]
            deadline = wait * 17 / 16 + ANSWER_TIMEOUT
        answer: HealthAnswer = await self.http.get(
            health_answer,
            ("v1", "health", "service", service),
            params=params,
            headers=self.prepare_headers(),
            raw=True,
            connections_timeout=deadline,
        )
        return answer


class HTTPClient(consul.aio.HTTPClient):  # type: ignore[misc]  # py-consul carries no types
    """Persistent connections to Consul; calls wait for a free one.

    It replaces the constructor of py-consul's class, which does not accept these settings, and the one method
    that all HTTP verbs call.
    """

    def __init__(self, options: Consul, connections: int) -> None:
        place = str(options.consul_url)
        url = urlsplit(place)
        self.verify = options.consul_verify
        self.place = f"Consul at {place}"
        self.base_uri = "http://localhost" if url.scheme == "unix" else place
        self._common_params = [
            (name, value)
            for name, value in [("ns", options.namespace), ("partition", options.partition)]
            if value
        ]
        self._server_name = options.consul_tls_server_name
        connector = (
            aiohttp.UnixConnector(url.path, limit=connections)
            if url.scheme == "unix"
            else aiohttp.TCPConnector(
                limit=connections,
                ssl=tls_context(options) if url.scheme == "https" else True,
                socket_factory=kept_alive_socket,
            )
        )
        headers = {"Accept-Encoding": "identity"}
        if options.consul_auth:
            headers["Authorization"] = "Basic " + base64.b64encode(options.consul_auth.encode()).decode()
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT),
            headers=headers,
        )
        # aiohttp would repeat a blocking query on a new connection, with an index that a restarted Consul has
        # not reached yet. There is no public option; aiohttp's test client sets the same attribute.
        self._session._retry_connection = False

    def uri(self, path: str | tuple[str, ...], params: list[tuple[str, Any]] | None = None) -> str:
        """Return the URL of a call, with the namespace and partition of the options.

        Args:
            path: its segments, or a path that py-consul has joined, in which slashes separate segments.
            params: the query parameters.

        Raises:
            ConsulError: a segment could select another call.
        """
        try:
            encoded = encoded_path(*path) if isinstance(path, tuple) else encoded_text(path)
        except ValueError as error:
            raise ConsulError(str(error)) from error
        query = urlencode([*(params or ()), *self._common_params])
        return f"{self.base_uri}{encoded}{'?' if query else ''}{query}"

    async def _request(  # noqa: PLR0917  # py-consul's signature
        self,
        callback: Callable[[consul.base.Response], T],
        method: str,
        uri: str,
        headers: Mapping[str, str] | None,
        data: str | bytes | None = None,
        connections_timeout: float | None = None,
        raw: bool = False,  # noqa: FBT001, FBT002
    ) -> T:
        deadline = connections_timeout or CALL_TIMEOUT
        try:
            async with (
                asyncio.timeout(deadline),
                self._session.request(
                    method,
                    URL(uri, encoded=True),
                    headers=headers,
                    data=data,
                    allow_redirects=False,
                    server_hostname=self._server_name,
                ) as response,
            ):
                body: bytes | str = await response.read()
        except TimeoutError as error:
            raise ConsulUnreachableError(f"{self.place}: no answer within {deadline:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise ConsulUnreachableError(f"{self.place}: {plain_reason(error)}") from error
        if not raw:
            body = body.decode(errors="replace") if isinstance(body, bytes) else body
        try:
            return callback(consul.base.Response(response.status, response.headers, body))
        except ConsulError as error:
            raise type(error)(f"{self.place}: {error}") from error
        except consul.ACLPermissionDenied as error:
            raise ConsulDeniedError(f"{self.place}: answered 403 {error}") from error
        except consul.ConsulException as error:
            raise ConsulError(f"{self.place}: {error}") from error


class TokenFile:
    """A file with an ACL token; the file may be replaced at any time."""

    def __init__(self, path: str) -> None:
        self.path = Path(path)
        self._token = ""
        self._stamp: tuple[int, ...] = ()

    def read(self) -> str:
        """Return the current token.

        Raises:
            ConsulError: the file cannot be read, or is empty: a call without a token could hide instances.
        """
        try:
            status = self.path.stat()
            stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
            if stamp != self._stamp:
                self._token = self.path.read_text().strip()
                self._stamp = stamp
        except (OSError, UnicodeDecodeError) as error:
            raise ConsulError(f"token file {self.path}: {plain_reason(error)}") from error
        if not self._token:
            raise ConsulError(f"token file {self.path}: expected a token, it is empty")
        return self._token


def copied(error: Exception) -> ConsulError:
    """Return an error like another one, to raise it in one more place."""
    if isinstance(error, ConnectionError):
        return ConsulUnreachableError(str(error))
    return ConsulError(str(error) or type(error).__name__)


def health_answer(response: consul.base.Response) -> HealthAnswer:
    """Decode an answer of the health API.

    Raises:
        ConsulError: the answer is not 200 with a JSON array and an index.
    """
    hint = HINTS.get(response.code)
    check_status(response, f"({hint})" if hint else "")
    headers = response.headers
    try:
        items = orjson.loads(response.body)
        index = int(headers["X-Consul-Index"])
        last_contact = int(headers.get("X-Consul-LastContact", "0")) / 1000
    except KeyError as error:
        raise ConsulError("no X-Consul-Index in the answer; is it Consul?") from error
    except ValueError as error:
        raise ConsulError(f"cannot understand the answer: {error}") from error
    if not isinstance(items, list):
        raise ConsulError(f"expected a JSON array of instances, got {response.body[:40]!r}")
    return HealthAnswer(
        items=items,
        index=max(1, index),
        last_contact=last_contact,
        known_leader=headers.get("X-Consul-KnownLeader", "true").lower() != "false",
        filtered=headers.get("X-Consul-Results-Filtered-By-ACLs", "").lower() == "true",
    )


def check_status(response: consul.base.Response, remark: str = "") -> None:
    """Raise unless the status is 200.

    Args:
        response: the answer.
        remark: appended to the message of the error.

    Raises:
        ConsulDeniedError: the status is 403.
        ConsulError: the status is neither 200 nor 403.
    """
    if response.code == 200:
        return
    body = response.body[:200]
    words = (body.decode(errors="replace") if isinstance(body, bytes) else body).strip()
    kind = ConsulDeniedError if response.code == 403 else ConsulError
    raise kind(f"answered {response.code} {words}{' ' if remark else ''}{remark}")


def tls_context(options: Consul) -> ssl.SSLContext:
    """Create the TLS context of an https connection.

    Raises:
        ConsulError: a file cannot be read or is not PEM.
    """
    ca_is_directory = bool(options.consul_ca) and Path(options.consul_ca or "").is_dir()
    try:
        context = ssl.create_default_context(
            cafile=None if ca_is_directory else options.consul_ca,
            capath=options.consul_ca if ca_is_directory else None,
        )
        if options.consul_cert:
            context.load_cert_chain(options.consul_cert, options.consul_key)
    except OSError as error:
        files = ", ".join(
            name for name in (options.consul_ca, options.consul_cert, options.consul_key) if name
        )
        raise ConsulError(f"TLS to {options.consul_url}: {plain_reason(error)} ({files})") from error
    if not options.consul_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def kept_alive_socket(address: tuple[Any, ...]) -> socket.socket:
    """Create a TCP socket that detects a dead peer within 30 s."""
    family, kind, protocol, _, _ = address
    sock = socket.socket(family, kind, protocol)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_IDLE)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_INTERVAL)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, KEEPALIVE_PROBES)
    silence = KEEPALIVE_IDLE + KEEPALIVE_INTERVAL * KEEPALIVE_PROBES
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, silence * 1000)
    return sock


def plain_reason(error: Exception) -> str:
    """Return the reason of an error without the text that libraries add: `Connection refused`."""
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    number = getattr(cause, "errno", None)
    if isinstance(cause, OSError) and not isinstance(cause, ssl.SSLError) and number and number > 0:
        return os.strerror(number)
    return str(cause) or type(cause).__name__
