"""Sends single probes: whether an instance accepts a connection, and whether its response is good."""

from __future__ import annotations

import asyncio
import os
import ssl

import aiohttp

from pylb.config.kinds import GRPC, TCP
from pylb.discovery.probes import grpc
from pylb.discovery.probes.result import Result
from pylb.discovery.probes.rules import ProbeRules
from pylb.model import Endpoint

HEADERS = {"User-Agent": "pylb-probe"}


class ProbeClient:
    """Probes instances. Each probe opens a connection: whether that succeeds is half of the result."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def probe(self, endpoint: Endpoint, how: str, rules: ProbeRules) -> Result:
        """Probe an instance. Every error is a result, so that no instance ends the probes of others.

        Args:
            endpoint: the instance.
            how: `tcp` to connect only, `grpc` or `grpc:SERVICE` for gRPC's health protocol, or the path of
                a GET request; a status from 200 to 399 is a success, as in HAProxy.
            rules: of its service.
        """
        timeout = rules.health.probe_timeout
        try:
            async with asyncio.timeout(timeout):
                if how == TCP:
                    return await self._connect(endpoint)
                if how.startswith(GRPC):
                    return await grpc.check(endpoint, how, rules)
                return await self._get(endpoint, how, rules)
        except TimeoutError:
            return Result(well=False, why=f"no response within {timeout:g} s")
        except aiohttp.ClientConnectorError as error:
            return Result(well=False, why=_words(error.os_error), unreachable=True)
        except ssl.SSLError as error:
            return Result(well=False, why=f"TLS: {error}", unreachable=True)
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

    async def _get(self, endpoint: Endpoint, path: str, rules: ProbeRules) -> Result:
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=0, force_close=True)
            self._session = aiohttp.ClientSession(connector=connector, headers=HEADERS)
        tls, host = rules.tls(endpoint), rules.health.probe_host
        context, name = tls or (False, None)
        async with self._session.get(
            f"{'https' if tls else 'http'}://{endpoint.authority}{path}",
            headers={"Host": host} if host else None,
            ssl=context,
            server_hostname=name,
            allow_redirects=False,
        ) as response:
            well = 200 <= response.status < 400
            return Result(well, "" if well else f"GET {path}: {response.status}")


def _words(error: OSError) -> str:
    """The reason without the address, which is shown beside it."""
    return os.strerror(error.errno) if error.errno else str(error)
