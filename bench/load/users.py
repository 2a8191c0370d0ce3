"""The kinds of clients: each does one thing ten times a second, or as often as the answers let it."""

from __future__ import annotations

import ssl
from contextlib import closing

import gevent
from locust import FastHttpUser, constant_throughput, task
from locust.user import User
from websocket import WebSocketException, create_connection

RATE = 10
"""Requests per second of one user."""
BODY = "x" * 64 * 1024
"""An upload."""
SAYINGS = 50
"""Messages over one WebSocket."""
PATIENCE = 10.0
"""Seconds after which a request has failed."""
UNVERIFIED = {"cert_reqs": ssl.CERT_NONE, "check_hostname": False}
"""Any certificate will do, as it does for Locust's own clients."""


class Client(FastHttpUser):
    """What those have in common that do one request after the other."""

    abstract = True
    wait_time = constant_throughput(RATE)
    network_timeout = connection_timeout = PATIENCE


class KeepAlive(Client):
    """A client that keeps its connection."""

    weight = 6

    @task
    def get(self) -> None:
        self.client.get("/", name="GET /, kept connection")


class NewConnection(Client):
    """A client that opens a connection for each request."""

    weight = 2

    @task
    def get(self) -> None:
        self.client.get("/", name="GET /, new connection", headers={"Connection": "close"})


class Upload(Client):
    """A client that sends bodies, and looks whether all of them arrived."""

    @task
    def post(self) -> None:
        with self.client.post("/upload", data=BODY, catch_response=True) as response:
            if response.status_code == 200 and response.text != str(len(BODY)):
                response.failure(f"{len(BODY)} bytes were sent, {response.text!r} is what arrived")


class WebSocket(User):
    """A client that talks over a WebSocket for a while, hears every word again, and takes a new one."""

    wait_time = constant_throughput(RATE)

    @task
    def talk(self) -> None:
        measure = self.environment.events.request.measure
        url = "ws" + str(self.host).removeprefix("http").rstrip("/") + "/echo"
        with measure("WS", "/echo, open") as opening:
            socket = create_connection(url, timeout=PATIENCE, sslopt=UNVERIFIED)
            opening["response"] = socket.handshake_response
        if opening["exception"]:
            return
        with closing(socket):
            for number in range(SAYINGS):
                gevent.sleep(1 / RATE)
                with measure("WS", "/echo, message") as message:
                    socket.send(str(number))
                    if socket.recv() != str(number):
                        raise WebSocketException("another word came back")
                if message["exception"]:
                    return
