"""Control's side of the channels: sends the current state to every worker, and tracks what each has applied.

It also forwards the health updates of one worker to the others.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from time import monotonic
from typing import Any

from pylb.ipc.channel import Channel
from pylb.ipc.control_socket import Hello, accept
from pylb.ipc.health_update import HEALTH_UPDATE, HealthUpdate
from pylb.ipc.routing_update import (
    ROUTING,
    RoutingUpdate,
    encode_declaration,
    encode_message,
    encode_update,
)
from pylb.ipc.update import UPDATE, Update
from pylb.ipc.worker_client import RECENT_REQUESTS, ROUTE_COUNTS
from pylb.observe.route_totals import RouteTotals
from pylb.routes.declaration import ServiceDeclaration
from pylb.runtime.lifecycle import TaskScope, spawn

log = logging.getLogger("pylb.control")


class Member:
    """One worker."""

    def __init__(
        self, hello: Hello, on_message: Callable[[Member, str, Any], None], lost: Callable[[Member], None]
    ) -> None:
        self.hello = hello
        self.channel = Channel(lambda kind, content: on_message(self, kind, content), lambda: lost(self))
        self.applied: dict[str, int] = {}
        """The generation that the worker has applied, by service, and that of the routes by `ROUTING`; empty
        until its first message."""
        self.declarations: dict[str, bytes] | None = None
        """The encoded declarations that the worker was last sent; None before the first."""

    def __repr__(self) -> str:
        return f"<Member {self.hello.name}, generation {self.hello.generation}: {self.applied}>"


class ControlServer:
    """The connections to all workers.

    Args:
        control_socket: control's end of the control socket.
        recent_requests: how many recorded requests of all workers are kept.
    """

    def __init__(self, control_socket: socket.socket, recent_requests: int = 0) -> None:
        self.members: set[Member] = set()
        self.updates: dict[str, bytes] = {}
        """The last update of each service, encoded."""
        self.requests: deque[tuple[str, ...]] = deque(maxlen=recent_requests)
        """The requests that workers have recorded, the newest last."""
        self.declarations: dict[str, bytes] = {}
        """The declaration of each service, encoded."""
        self.route_totals = RouteTotals(lambda service: service in self.declarations)
        """The counts of requests by route, if workers send them."""
        self.routing_generation = 0
        """Increases with each change of the declarations."""
        self.joined = asyncio.Event()
        """Whether a worker has applied an update."""
        self._health_updates: dict[str, HealthUpdate] = {}
        """Unexpired health updates by subject, for workers that connect later."""
        self._control_socket = control_socket
        self._under_way: dict[str, deque[tuple[int, Callable[[], None]]]] = defaultdict(deque)
        """By service: generations that not all workers have applied, with the functions to call
        afterwards."""

    def serving(self) -> list[dict[str, Any]]:
        """Return the workers that have applied an update."""
        return [
            {**asdict(member.hello), "applied": dict(member.applied)}
            for member in sorted(self.members, key=lambda member: (member.hello.name, member.hello.pid))
            if member.applied
        ]

    def open(self, scope: TaskScope) -> None:
        """Accept workers until the scope closes."""
        self._control_socket.setblocking(False)
        asyncio.get_running_loop().add_reader(self._control_socket, self._accept, scope)

    def close(self) -> None:
        """Stop accepting workers, and close all channels."""
        asyncio.get_running_loop().remove_reader(self._control_socket)
        for member in self.members:
            member.channel.close()

    def publish(self, update: Update, applied: Callable[[], None] | None = None) -> None:
        """Send an update to all workers. It replaces unsent updates of the same service.

        Args:
            update: the complete state of a service.
            applied: called when every worker has applied this update or a newer one.
        """
        if applied:
            self._under_way[update.service].append((update.generation, applied))
        self.updates[update.service] = content = update.to_bytes()
        for member in self.members:
            member.channel.queue_message(UPDATE, update.service, content)

    def publish_routing(
        self,
        changed: Mapping[str, ServiceDeclaration | None],
        applied: Callable[[], None] | None = None,
    ) -> None:
        """Send changed declarations to all workers. Each receives the difference from what it was last sent.

        Args:
            changed: by service; None removes the service and its last update.
            applied: called when every worker has applied these routes or newer ones.
        """
        self.routing_generation += 1
        for service, declaration in changed.items():
            if declaration is not None:
                self.declarations[service] = encode_declaration(declaration)
            else:
                self.declarations.pop(service, None)
                self.updates.pop(service, None)
                self._under_way.pop(service, None)
                self.route_totals.forget(service)
                for member in self.members:
                    member.applied.pop(service, None)
        if applied:
            self._under_way[ROUTING].append((self.routing_generation, applied))
        for member in self.members:
            member.channel.queue_message(ROUTING, ROUTING, partial(self._difference, member))

    def restore_routing(self, routing: RoutingUpdate) -> None:
        """Continue with the routes that the control process before this one had published."""
        self.routing_generation = routing.generation
        self.declarations = {
            service: encode_declaration(each) for service, each in routing.changed.items() if each is not None
        }

    def routing(self) -> bytes:
        """Return all declarations as a complete update, encoded."""
        return encode_update(self.routing_generation, self.declarations, complete=True)

    def _difference(self, member: Member) -> bytes:
        """Return the update that a worker is missing, at the moment at which it is sent."""
        sent, member.declarations = member.declarations, dict(self.declarations)
        if sent is None:
            return encode_message(self.routing_generation, self.declarations, complete=True)
        changed: dict[str, bytes | None] = dict.fromkeys(sent.keys() - self.declarations.keys())
        changed |= {
            service: declaration
            for service, declaration in self.declarations.items()
            if sent.get(service) is not declaration
        }
        return encode_message(self.routing_generation, changed, complete=False)

    def _accept(self, scope: TaskScope) -> None:
        try:
            while (accepted := accept(self._control_socket)) is not None:
                hello, end = accepted
                member = Member(hello, self._on_message, self._lost)
                spawn(self._join(member, end), name=f"join {hello.name}", scope=scope)
        except ConnectionError:  # All workers and the supervisor have ended; this process ends soon, too.
            asyncio.get_running_loop().remove_reader(self._control_socket)

    async def _join(self, member: Member, end: socket.socket) -> None:
        self.members.add(member)
        await member.channel.open(end)
        log.debug("%s (pid %d) has connected", member.hello.name, member.hello.pid)
        for service, content in self.updates.items():
            member.channel.queue_message(UPDATE, service, content)
        if self.routing_generation:  # Otherwise the routes are not known yet.
            member.channel.queue_message(ROUTING, ROUTING, partial(self._difference, member))
        for update in self._health_updates.values():
            if update.until > monotonic():
                member.channel.queue_message(HEALTH_UPDATE, update.subject, update.to_bytes())

    def _on_message(self, member: Member, kind: str, content: Mapping[str, Any]) -> None:
        if kind == HEALTH_UPDATE:
            self._pass_on(HealthUpdate.from_dict(content), member)
        elif kind == ROUTE_COUNTS:
            self.route_totals.update(member, content)
        elif kind == RECENT_REQUESTS:
            self.requests.extend(map(tuple, content))
        else:
            self._on_applied(member, content["service"], content["generation"])

    def _on_applied(self, member: Member, service: str, generation: int) -> None:
        self.joined.set()
        if service in self.updates or service == ROUTING:  # Otherwise it was removed meanwhile.
            member.applied[service] = generation
            self._settle(service)

    def _pass_on(self, update: HealthUpdate, author: Member) -> None:
        """Send a health update to all workers except its author, and store it until it expires."""
        now = monotonic()
        self._health_updates = {
            each.subject: each for each in self._health_updates.values() if each.until > now
        }
        self._health_updates[update.subject] = update
        for member in self.members - {author}:
            member.channel.queue_message(HEALTH_UPDATE, update.subject, update.to_bytes())

    def _lost(self, member: Member) -> None:
        self.members.discard(member)
        self.route_totals.end(member)
        log.debug("%s (pid %d) has disconnected", member.hello.name, member.hello.pid)
        for service in (*self.updates, ROUTING):
            self._settle(service)

    def _settle(self, service: str) -> None:
        """Call the functions of the generations that all workers have applied."""
        reached = min((member.applied.get(service, 0) for member in self.members), default=0)
        under_way = self._under_way[service]
        while under_way and under_way[0][0] <= reached:
            _, applied = under_way.popleft()
            applied()
