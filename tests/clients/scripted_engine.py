"""A Docker engine with the containers that a test defines: its API on a Unix socket, nothing else."""

import asyncio
import json
import time

from aiohttp import web


class ScriptedEngine:
    """Answers from `containers`; `tell` sends an event to the open streams."""

    def __init__(self, path):
        self.path = path
        self.url = f"unix://{path}"
        self.id = "TIY7:4CFD"
        self.name = "machine"
        self.containers = {}
        self.broken = False
        self.hanging = set()
        """Ids of containers about which it never answers."""
        self.failing = set()
        """Ids of containers about which it answers 500."""
        self.asked = []
        self.since = []
        self.polled_at = 0.0
        self._listeners = set()
        self._runner = None

    def run(self, described):
        self.containers[described["Id"]] = described

    def remove(self, described):
        del self.containers[described["Id"]]

    def tell(self, action, described, **attributes):
        event = {"Type": "container", "Action": action}
        event["Actor"] = {"ID": described["Id"], "Attributes": attributes}
        for queue in self._listeners:
            queue.put_nowait(event)

    @property
    def listeners(self):
        return len(self._listeners)

    def hang_up(self):
        """End all streams of events."""
        for queue in self._listeners:
            queue.put_nowait(None)

    async def start(self):
        app = web.Application(middlewares=[self._trouble])
        app.add_routes(
            [
                web.get("/version", self._version),
                web.get("/{v}/version", self._version),
                web.get("/{v}/info", self._info),
                web.get("/{v}/containers/json", self._list),
                web.get("/{v}/containers/{id}/json", self._inspect),
                web.get("/{v}/events", self._events),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        await self._runner.setup()
        await web.UnixSite(self._runner, str(self.path)).start()

    async def stop(self):
        self.hang_up()
        await self._runner.cleanup()

    @web.middleware
    async def _trouble(self, request, handler):
        self.asked.append(request.path)
        if self.broken:
            return self._error(500, "out of order")
        return await handler(request)

    @staticmethod
    def _error(status, message):
        """As the engine writes it: without a charset in the type."""
        content = {"Content-Type": "application/json"}
        return web.Response(body=json.dumps({"message": message}).encode(), status=status, headers=content)

    async def _version(self, request):
        return web.json_response({"ApiVersion": "1.41", "Version": "20.10.24"})

    async def _info(self, request):
        return web.json_response({"ID": self.id, "Name": self.name})

    async def _list(self, request):
        assert request.query["all"].lower() in {"1", "true"}
        self.polled_at = time.time()
        return web.json_response(
            [
                {
                    "Id": each,
                    "Names": [described.get("Name", "/nameless")],
                    "State": described["State"]["Status"],
                }
                for each, described in self.containers.items()
            ]
        )

    async def _inspect(self, request):
        found = self.containers.get(request.match_info["id"])
        if found and found["Id"] in self.hanging:
            await asyncio.Event().wait()
        if found and found["Id"] in self.failing:
            return self._error(500, "layer not known")
        if found is None or found.get("vanishes"):
            return self._error(404, "No such container")
        return web.json_response(found)

    async def _events(self, request):
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        queue = asyncio.Queue()
        self.since.append(float(request.query["since"]))
        self._listeners.add(queue)
        try:
            while (event := await queue.get()) is not None:
                await response.write(json.dumps(event).encode() + b"\n")
        finally:
            self._listeners.discard(queue)
        return response
