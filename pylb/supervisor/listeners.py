"""All listening sockets of one pylb. They belong to the supervisor, and outlive every worker.

A connection that the kernel has accepted waits in the queue of one socket until a worker takes it. Closing
that socket would reset it; so a socket is never closed while anybody still connects to it, but passed from
worker to worker, and from one pylb to the next.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping

from pylb.config.kinds import Address
from pylb.errors import StartError
from pylb.runtime.sockets import BACKLOG, Group, close, extend, open_groups, share, where
from pylb.supervisor.handover import SYSTEMD, Handover


class Listeners:
    """Opens what was not handed over; closes what was, but is not wanted any more.

    Args:
        listen: where clients connect.
        listen_tls: where they do and speak TLS.
        admin: where operators do.
        workers: how many there are: each gets a socket of its own.
        given: what was handed over.

    Raises:
        StartError: an address cannot be bound.
    """

    def __init__(
        self,
        *,
        listen: tuple[Address, ...],
        listen_tls: tuple[Address, ...] = (),
        admin: Address | None = None,
        workers: int = 1,
        given: Handover | None = None,
    ) -> None:
        self.workers = workers
        given = given or Handover()
        if SYSTEMD in given.plain or SYSTEMD in given.tls:
            listen = listen_tls = ()
        self.plain: dict[str, list[Group]] = {}
        self.tls: dict[str, list[Group]] = {}
        self.admin: dict[str, list[Group]] = {}
        try:
            self.plain = _gather(listen, given.plain, workers, "--listen")
            self.tls = _gather(listen_tls, given.tls, workers, "--listen-tls")
            self.admin = _gather(
                () if SYSTEMD in given.admin or not admin else (admin,), given.admin, 1, "--admin"
            )
        except StartError:
            self.close()
            raise

    @property
    def clients(self) -> str:
        """Where clients connect, as a log line shows it."""
        return ", ".join([*addresses(self.plain), *(f"{address} (TLS)" for address in addresses(self.tls))])

    @property
    def operators(self) -> str:
        """Where operators connect, as a log line shows it."""
        return ", ".join(addresses(self.admin)) or "off"

    def of_worker(self, number: int) -> tuple[list[socket.socket], list[socket.socket]]:
        """The sockets on which one worker, from 0, takes connections: without TLS, and with it."""
        plain, tls = (
            [each for group in _groups(kind) for each in share(group, number, self.workers)]
            for kind in (self.plain, self.tls)
        )
        return plain, tls

    def of_control(self) -> list[socket.socket]:
        """The sockets on which operators are answered."""
        return [listening for group in _groups(self.admin) for listening in group]

    def close(self) -> None:
        """Close them all: from now on connections are refused, once no worker has the sockets any more."""
        for kind in (self.plain, self.tls, self.admin):
            for group in _groups(kind):
                close(group)


def addresses(groups: Mapping[str, list[Group]]) -> list[str]:
    """Where these listen."""
    return [where(group[0]) for group in _groups(groups)]


def _groups(listening: Mapping[str, list[Group]]) -> list[Group]:
    return [group for groups in listening.values() for group in groups]


def _gather(
    addresses: tuple[Address, ...], given: Mapping[str, list[Group]], copies: int, option: str
) -> dict[str, list[Group]]:
    wanted = {str(address): address for address in addresses}
    kept = {address: groups for address, groups in given.items() if address in wanted or address == SYSTEMD}
    for name, groups in given.items():
        if name not in kept:
            for group in groups:
                close(group)
    for name, address in wanted.items():
        if name not in kept:
            kept[name] = open_groups(address, copies=copies, option=option)
    for groups in kept.values():
        for group in groups:
            extend(group, copies)
            for listening in group:
                listening.listen(BACKLOG)
    return kept
