"""The listening sockets of one pylb. The supervisor owns them, so they outlive every worker.

A connection that the kernel has accepted waits in the queue of one socket until a worker takes it. Closing
that socket would reset the connection. Therefore no socket in use is closed: it passes from one worker to
the next, and from one pylb to the next.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping

from pylb.config.kinds import Address
from pylb.errors import StartError
from pylb.runtime.sockets import BACKLOG, Group, close, extend, open_groups, share, where
from pylb.supervisor.handover import SYSTEMD, Handover


class Listeners:
    """Opens configured sockets that were not inherited; closes inherited ones that are not configured.

    Args:
        listen: addresses for clients without TLS.
        listen_tls: addresses for TLS clients.
        admin: the address of the admin server.
        workers: the number of workers; each gets a separate socket.
        given: the inherited sockets.

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
        """The addresses for clients, as text for the log."""
        return ", ".join([*addresses(self.plain), *(f"{address} (TLS)" for address in addresses(self.tls))])

    @property
    def operators(self) -> str:
        """The address of the admin server, as text for the log."""
        return ", ".join(addresses(self.admin)) or "off"

    def of_worker(self, number: int) -> tuple[list[socket.socket], list[socket.socket]]:
        """The sockets of one worker, numbered from 0: without TLS, and with TLS."""
        plain, tls = (
            [each for group in _groups(kind) for each in share(group, number, self.workers)]
            for kind in (self.plain, self.tls)
        )
        return plain, tls

    def of_control(self) -> list[socket.socket]:
        """The sockets of the admin server."""
        return [listening for group in _groups(self.admin) for listening in group]

    def close(self) -> None:
        """Close all. The kernel refuses connections when no worker has the sockets open either."""
        for kind in (self.plain, self.tls, self.admin):
            for group in _groups(kind):
                close(group)


def addresses(groups: Mapping[str, list[Group]]) -> list[str]:
    """The addresses of these sockets."""
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
