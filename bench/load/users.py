"""The kinds of clients. Each does one thing ten times per second, or as fast as responses arrive."""

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
"""The body of an upload."""
MESSAGES = 50
"""Messages per WebSocket."""
TIMEOUT = 10.0
"""Seconds after which a request counts as failed."""
UNVERIFIED = {"cert_reqs": ssl.CERT_NONE, "check_hostname": False}
"""TLS options that accept any certificate, as Locust's clients do."""


class Client(FastHttpUser):
    """The common settings of clients that send one request after the other."""

    abstract = True
    wait_time = constant_throughput(RATE)
    network_timeout = connection_timeout = TIMEOUT


class KeepAlive(Client):
    """A client with a persistent connection."""

    weight = 6

    @task
    def get(self) -> None:
        self.client.get("/", name="GET /, persistent connection")


class NewConnection(Client):
    """A client that opens a connection for each request."""

    weight = 2

    @task
    def get(self) -> None:
        self.client.get("/", name="GET /, new connection", headers={"Connection": "close"})


class Upload(Client):
    """A client that sends bodies and checks the length that the response reports."""

    @task
    def post(self) -> None:
        with self.client.post("/upload", data=BODY, catch_response=True) as response:
            if response.status_code == 200 and response.text != str(len(BODY)):
                response.failure(f"{len(BODY)} bytes sent, but the response reports {response.text!r}")


class WebSocket(User):
    """A client that sends messages over a WebSocket and checks each echo, then opens a new one."""

    wait_time = constant_throughput(RATE)

    @task
    def talk(self) -> None:
        measure = self.environment.events.request.measure
        url = "ws" + str(self.host).removeprefix("http").rstrip("/") + "/echo"
        with measure("WS", "/echo, open") as opening:
            socket = create_connection(url, timeout=TIMEOUT, sslopt=UNVERIFIED)
            opening["response"] = socket.handshake_response
        if opening["exception"]:
            return
        with closing(socket):
            for number in range(MESSAGES):
                gevent.sleep(1 / RATE)
                with measure("WS", "/echo, message") as message:
                    socket.send(str(number))
                    if socket.recv() != str(number):
                        raise WebSocketException("the echo differs")
                if message["exception"]:
                    return
