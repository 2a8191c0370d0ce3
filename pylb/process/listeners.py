"""All listening sockets of one pylb. They belong to the supervisor, and outlive every worker.

A connection that the kernel has accepted waits in the queue of one socket until a worker takes it. Closing
that socket would reset it; so a socket is never closed while anybody still connects to it, but passed from
worker to worker, and from one pylb to the next.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping

from pylb.config.kinds import Address
from pylb.process.handover import SYSTEMD, Handover
from pylb.process.sockets import BACKLOG, Group, close, extend, open_groups, share, where


class Listeners:
    """Opens what was not handed over; closes what was, but is not wanted any more.

    Args:
        listen: where clients connect.
        admin: where operators do.
        workers: how many there are: each gets a socket of its own.
        given: what was handed over.

    Raises:
        StartError: an address cannot be bound.
    """

    def __init__(
        self, listen: tuple[Address, ...], admin: Address | None, workers: int, given: Handover
    ) -> None:
        self.workers = workers
        wanted = {} if SYSTEMD in given.clients else {str(address): address for address in listen}
        self.clients = _gather(wanted, given.clients, workers, "--listen")
        wanted = {} if SYSTEMD in given.admin or admin is None else {str(admin): admin}
        self.admin = _gather(wanted, given.admin, 1, "--admin")

    def of_worker(self, number: int) -> list[socket.socket]:
        """The sockets on which one worker, from 0, takes connections."""
        groups = [group for groups in self.clients.values() for group in groups]
        return [listening for group in groups for listening in share(group, number, self.workers)]

    def of_control(self) -> list[socket.socket]:
        """The sockets on which operators are answered."""
        return [listening for groups in self.admin.values() for group in groups for listening in group]

    def close(self) -> None:
        """Close them all: from now on connections are refused, once no worker has the sockets any more."""
        for groups in (*self.clients.values(), *self.admin.values()):
            for group in groups:
                close(group)


def addresses(groups: Mapping[str, list[Group]]) -> str:
    """Where these listen, as a log line shows it."""
    return ", ".join(where(group[0]) for each in groups.values() for group in each) or "off"


def _gather(
    wanted: Mapping[str, Address], given: Mapping[str, list[Group]], copies: int, option: str
) -> dict[str, list[Group]]:
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
