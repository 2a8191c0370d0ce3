"""Handlers of `/v1/agent`: registration of services and checks, TTL statuses, and maintenance."""

from __future__ import annotations

from hashlib import blake2b

import orjson
from aiohttp import web

from pylb.registry.embedded.agent import Agent
from pylb.registry.embedded.catalog import Node
from pylb.registry.embedded.definitions import (
    CRITICAL,
    PASSING,
    WARNING,
    RequestError,
    check_from_json,
    service_from_json,
    update_from_json,
)
from pylb.registry.embedded.exchange import get, json_response, reject_filter
from pylb.registry.embedded.literals import LiteralError, parse_bool
from pylb.registry.embedded.views import agent_service, check_view

VERSION = "1.8.7"
"""The Consul release whose API is implemented."""

_TTL_STATUSES = {"pass": PASSING, "warn": WARNING, "fail": CRITICAL}


class AgentApi:
    """Handlers of `/v1/agent`.

    Args:
        agent: the agent that keeps what the handlers receive.
        node: the agent's node.
        leader: `host:port` of the registry, which is its own leader.
    """

    def __init__(self, agent: Agent, node: Node, leader: str) -> None:
        self._agent = agent
        self._node = node
        self._leader = leader

    def routes(self) -> list[web.RouteDef]:
        """Return the paths with their handlers."""
        return [
            get("/v1/agent/self", self.self_description),
            get("/v1/agent/services", self.services),
            get("/v1/agent/checks", self.checks),
            web.put("/v1/agent/maintenance", self.node_maintenance),
            web.put("/v1/agent/service/register", self.register_service),
            web.put("/v1/agent/service/deregister/{id:.*}", self.deregister_service),
            web.put("/v1/agent/service/maintenance/{id:.*}", self.service_maintenance),
            get("/v1/agent/service/{id:(?!register$|deregister/|maintenance/).*}", self.service),
            web.put("/v1/agent/check/register", self.register_check),
            web.put("/v1/agent/check/deregister/{id:.*}", self.deregister_check),
            web.put("/v1/agent/check/update/{id:.*}", self.update_check),
            web.put("/v1/agent/check/{verb:pass|warn|fail}/{id:.*}", self.set_ttl_status),
        ]

    async def self_description(self, request: web.Request) -> web.Response:
        """Describe the agent and its node."""
        node = self._node
        return json_response(
            request,
            {
                "Config": {
                    "Datacenter": node.datacenter,
                    "NodeName": node.name,
                    "NodeID": node.id,
                    "Revision": "",
                    "Server": True,
                    "Version": VERSION,
                },
                "DebugConfig": {"Datacenter": node.datacenter, "NodeName": node.name, "DevMode": True},
                "Coord": {"Vec": [0] * 8, "Error": 1.5, "Adjustment": 0, "Height": 1e-05},
                "Member": {
                    "Name": node.name,
                    "Addr": node.address,
                    "Tags": {
                        "build": f"{VERSION}:pylb",
                        "dc": node.datacenter,
                        "id": node.id,
                        "role": "consul",
                    },
                    "Status": 1,
                },
                "Stats": {
                    "agent": {
                        "checks": str(len(self._agent.checks)),
                        "services": str(len(self._agent.services)),
                    },
                    "build": {"prerelease": "pylb", "revision": "", "version": VERSION},
                    "consul": {"leader": "true", "leader_addr": self._leader, "server": "true"},
                },
                "Meta": node.meta,
            },
        )

    async def services(self, request: web.Request) -> web.Response:
        """Return the registered services, by id."""
        reject_filter(request)
        services = sorted(self._agent.services.values(), key=lambda service: service.id)
        return json_response(request, {service.id: agent_service(service) for service in services})

    async def service(self, request: web.Request) -> web.Response:
        """Return one service with a hash of its content."""
        service = self._agent.services.get(request.match_info["id"])
        if service is None:
            raise RequestError(f"unknown service ID: {request.match_info['id']}", status=404)
        view = agent_service(service)
        view["ContentHash"] = blake2b(orjson.dumps(view), digest_size=8).hexdigest()
        return json_response(request, view, {"X-Consul-ContentHash": view["ContentHash"]})

    async def checks(self, request: web.Request) -> web.Response:
        """Return the registered checks, by id, with their latest outputs."""
        reject_filter(request)
        checks = self._agent.checks.values()
        return json_response(request, {check.id: check_view(check, self._node) for check in checks})

    async def register_service(self, request: web.Request) -> web.Response:
        """Add or change a service."""
        service, checks = service_from_json(await request.read())
        replace_checks = request.query.get("replace-existing-checks") in ("", "true")
        self._agent.register_service(service, checks, replace_checks=replace_checks)
        return web.Response()

    async def deregister_service(self, request: web.Request) -> web.Response:
        """Remove a service."""
        self._agent.deregister_service(_id(request, "ServiceID missing", status=500))
        return web.Response()

    async def service_maintenance(self, request: web.Request) -> web.Response:
        """Start or end the maintenance mode of a service."""
        service_id = _id(request, "Missing service ID")
        enable = _enable(request)
        if service_id not in self._agent.services:
            raise RequestError(f'No service registered with ID "{service_id}"', status=404)
        self._maintain(request, service_id, enable=enable)
        return web.Response()

    async def node_maintenance(self, request: web.Request) -> web.Response:
        """Start or end the maintenance mode of the node."""
        self._maintain(request, "", enable=_enable(request))
        return web.Response()

    def _maintain(self, request: web.Request, service_id: str, *, enable: bool) -> None:
        if enable:
            self._agent.enter_maintenance(service_id, request.query.get("reason", ""))
        else:
            self._agent.leave_maintenance(service_id)

    async def register_check(self, request: web.Request) -> web.Response:
        """Add or change a check."""
        self._agent.register_check(check_from_json(await request.read()))
        return web.Response()

    async def deregister_check(self, request: web.Request) -> web.Response:
        """Remove a check."""
        self._agent.deregister_check(_id(request, "CheckID missing", status=500))
        return web.Response()

    async def set_ttl_status(self, request: web.Request) -> web.Response:
        """Set the status of a TTL check by `pass`, `warn` or `fail`, with a note."""
        status = _TTL_STATUSES[request.match_info["verb"]]
        self._agent.set_ttl_status(request.match_info["id"], status, request.query.get("note", ""))
        return web.Response()

    async def update_check(self, request: web.Request) -> web.Response:
        """Set the status of a TTL check to the status and the output in the body."""
        status, output = update_from_json(await request.read())
        self._agent.set_ttl_status(request.match_info["id"], status, output)
        return web.Response()


def _id(request: web.Request, missing: str, status: int = 400) -> str:
    identity = request.match_info["id"]
    if not identity:
        raise RequestError(missing, status)
    return identity


def _enable(request: web.Request) -> bool:
    text = request.query.get("enable")
    if text is None:
        raise RequestError("Missing value for enable")
    try:
        return parse_bool(text)
    except LiteralError as error:
        raise RequestError(f'Invalid value for enable: "{text}"') from error
