"""Sends single probes: whether an instance accepts a connection, and whether its response is good."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Callable
from dataclasses import dataclass

import aiohttp

from pylb.config.kinds import TCP
from pylb.model import Endpoint

Tls = Callable[[Endpoint], tuple[ssl.SSLContext, str] | None]
"""Returns the TLS context and server name for an instance; None if its connections do not use TLS."""


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of one probe."""

    well: bool
    why: str = ""
    """The reason of a failure, as text: `GET /health: 503`, `Connection refused`."""
    unreachable: bool = False
    """Whether no connection could be opened."""


class ProbeClient:
    """Probes instances.

    Args:
        timeout: seconds for one probe.
        tls: the TLS settings of an instance.
        host: the `Host` of HTTP requests; the instance's address and port if it is empty.
    """

    def __init__(self, timeout: float, tls: Tls = lambda _: None, host: str = "") -> None:
        self._timeout = timeout
        self._tls = tls
        self._headers = {"User-Agent": "pylb-probe"} | ({"Host": host} if host else {})
        self._session: aiohttp.ClientSession | None = None

    async def probe(self, endpoint: Endpoint, how: str) -> Result:
        """Probe an instance. Every error is a result, so that no instance ends the probes of others.

        Args:
            endpoint: the instance.
            how: `tcp` to connect only, or the path of a GET request; a status from 200 to 399 is a success,
                as in HAProxy.
        """
        try:
            async with asyncio.timeout(self._timeout):
                return await (self._connect(endpoint) if how == TCP else self._get(endpoint, how))
        except TimeoutError:
            return Result(well=False, why=f"no response within {self._timeout:g} s")
        except aiohttp.ClientConnectorError as error:
            return Result(well=False, why=_words(error.os_error), unreachable=True)
        except ValueError as error:  # An address or TLS name that cannot be encoded.
            return Result(well=False, why=f"its address or name is invalid: {error}", unreachable=True)
        except aiohttp.ClientError as error:
            return Result(well=False, why=str(error) or type(error).__name__)
        except OSError as error:
            return Result(well=False, why=_words(error), unreachable=True)
        except Exception as error:  # Probes of other instances continue.
            return Result(well=False, why=f"{type(error).__name__}: {error}")

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _connect(self, endpoint: Endpoint) -> Result:
        _, writer = await asyncio.open_connection(endpoint.address, endpoint.port)
        writer.close()
        return Result(well=True)

    async def _get(self, endpoint: Endpoint, path: str) -> Result:
        if self._session is None:
            # Each probe opens a connection: whether that succeeds is half of the result.
            connector = aiohttp.TCPConnector(limit=0, force_close=True)
            self._session = aiohttp.ClientSession(connector=connector, headers=self._headers)
        tls = self._tls(endpoint)
        context, name = tls or (False, None)
        async with self._session.get(
            f"{'https' if tls else 'http'}://{endpoint.authority}{path}",
            ssl=context,
            server_hostname=name,
            allow_redirects=False,
        ) as response:
            well = 200 <= response.status < 400
            return Result(well, "" if well else f"GET {path}: {response.status}")


def _words(error: OSError) -> str:
    """The reason without the address, which is shown beside it."""
    return os.strerror(error.errno) if error.errno else str(error)
