"""One question to one instance: whether it accepts a connection, whether it answers well."""

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
"""How to speak TLS to an instance: with which context, and by which name; None if it does not."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of it."""

    well: bool
    why: str = ""
    """In words: `GET /health: 503`, `Connection refused`."""
    refused: bool = False
    """Whether there was no connection to be had."""


class Probe:
    """Asks instances.

    Args:
        timeout: seconds for all of a question.
        tls: how to speak TLS to an instance.
        host: the `Host` of HTTP requests; the instance's address and port if it is empty.
    """

    def __init__(self, timeout: float, tls: Tls = lambda _: None, host: str = "") -> None:
        self._timeout = timeout
        self._tls = tls
        self._headers = {"User-Agent": "pylb-probe"} | ({"Host": host} if host else {})
        self._session: aiohttp.ClientSession | None = None

    async def ask(self, endpoint: Endpoint, how: str) -> Answer:
        """Ask an instance. Whatever goes wrong is an answer: no instance may end the probes of the others.

        Args:
            endpoint: whom.
            how: `tcp` to connect only, or the path to get; a status from 200 to 399 is a good answer, as for
                HAProxy.
        """
        try:
            async with asyncio.timeout(self._timeout):
                return await (self._connect(endpoint) if how == TCP else self._get(endpoint, how))
        except TimeoutError:
            return Answer(well=False, why=f"no answer within {self._timeout:g} s")
        except aiohttp.ClientConnectorError as error:
            return Answer(well=False, why=_words(error.os_error), refused=True)
        except ValueError as error:  # an address or TLS name that cannot be encoded
            return Answer(well=False, why=f"its address or name is invalid: {error}", refused=True)
        except aiohttp.ClientError as error:
            return Answer(well=False, why=str(error) or type(error).__name__)
        except OSError as error:
            return Answer(well=False, why=_words(error), refused=True)
        except Exception as error:  # whatever it is, the other instances' probes go on
            return Answer(well=False, why=f"{type(error).__name__}: {error}")

    async def close(self) -> None:
        """Close what is open."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _connect(self, endpoint: Endpoint) -> Answer:
        _, writer = await asyncio.open_connection(endpoint.address, endpoint.port)
        writer.close()
        return Answer(well=True)

    async def _get(self, endpoint: Endpoint, path: str) -> Answer:
        if self._session is None:
            # A connection of its own for each question: whether one can be had is half of it.
            connector = aiohttp.TCPConnector(limit=0, force_close=True)
            self._session = aiohttp.ClientSession(connector=connector, headers=self._headers)
        tls = self._tls(endpoint)
        context, name = tls or (False, None)
        async with self._session.get(
            f"{'https' if tls else 'http'}://{endpoint.authority}{path}",
            ssl=context,
            server_hostname=name,
            allow_redirects=False,
        ) as answer:
            well = 200 <= answer.status < 400
            return Answer(well, "" if well else f"GET {path}: {answer.status}")


def _words(error: OSError) -> str:
    """What is wrong, without the address, which stands beside it."""
    return os.strerror(error.errno) if error.errno else str(error)
