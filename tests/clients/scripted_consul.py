"""A server that answers health queries by a script of Consul's possible behaviour."""

import asyncio
from dataclasses import dataclass, field

import orjson
from aiohttp import web


def instance(number, status="passing", *, port=None, address="127.0.0.1", created=None, **service):
    """One element of `/v1/health/service/web`, as Consul 1.8.7 writes it."""
    return {
        "Node": {"Node": "n1", "Address": "10.9.9.9", "Datacenter": "dc1"},
        "Service": {
            "ID": f"web-{number}",
            "Service": "web",
            "Tags": [],
            "Address": address,
            "Meta": None,
            "Port": port if port is not None else 9000 + number,
            "Weights": {"Passing": 1, "Warning": 1},
            "CreateIndex": created if created is not None else 10 + number,
            **service,
        },
        "Checks": [
            {"CheckID": "serfHealth", "Name": "Serf Health Status", "Status": "passing", "ServiceID": ""},
            {
                "CheckID": f"service:web-{number}",
                "Name": "tcp",
                "Status": status,
                "Output": "what it said",
                "ServiceID": f"web-{number}",
            },
        ],
    }


def web_instances(*numbers):
    return [instance(number) for number in numbers]


@dataclass
class Answer:
    """What one query gets."""

    items: object = ()
    index: object = 1
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    cut: bool = False
    """Close the connection half-way through the body."""


DROP = object()
"""Close the connection without an answer."""
HANG = object()
"""Never answer."""


class ScriptedConsul:
    """Answers the nth query with the nth step; when the script is at its end, it waits for `then()`."""

    def __init__(self):
        self.queries = []
        """What was asked for, in order, as dicts of parameters; lists where one came twice."""
        self.requests = []
        self.connections = set()
        self.asked_rights = 0
        """How often it was asked what a token may read; ACLs are disabled."""
        self.names = {}
        """The services that the catalog lists, with their tags; None: the script answers for it, too."""
        self._script = asyncio.Queue()

    def then(self, *steps):
        for step in steps:
            self._script.put_nowait(step)

    async def _evaluate(self, request):
        self.asked_rights += 1
        return web.Response(status=401, text="ACL support disabled")

    async def _list(self, request):
        return await self._handle(request) if self.names is None else web.json_response(self.names)

    async def _handle(self, request):
        self.requests.append(request)
        self.connections.add(request.transport)
        self.queries.append({k: v[0] if len(v := request.query.getall(k)) == 1 else v for k in request.query})
        step = await self._script.get()
        if step is HANG:
            await asyncio.Event().wait()
        if step is DROP:
            request.transport.abort()
            return web.Response()
        body = orjson.dumps(step.items) if step.body is None else step.body
        headers = {"X-Consul-Index": str(step.index), **step.headers}
        if step.index is None:
            del headers["X-Consul-Index"]
        if step.cut:
            headers["Content-Length"] = str(len(body) + 10)
            response = web.StreamResponse(status=step.status, headers=headers)
            await response.prepare(request)
            await response.write(body)
            request.transport.close()
            return response
        return web.Response(body=body, status=step.status, headers=headers)

    async def start(self, make_site=None, **options):
        application = web.Application()
        application.router.add_post("/v1/internal/acl/authorize", self._evaluate)
        application.router.add_get("/v1/catalog/services", self._list)
        application.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        self._site = (
            make_site(self._runner) if make_site else web.TCPSite(self._runner, "127.0.0.1", 0, **options)
        )
        await self._site.start()
        if make_site is None:
            scheme = "https" if "ssl_context" in options else "http"
            self.url = f"{scheme}://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self):
        await self._runner.cleanup()
