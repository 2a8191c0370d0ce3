"""The one way in which a request is refused."""

from __future__ import annotations


class RequestError(Exception):
    """A request that Consul answers with an error; the message is Consul's.

    Args:
        text: the answer's body.
        status: its HTTP status.
        by_servers: whether Consul's agent passes such a request on to the servers and they refuse it, which
            shows in the answer's headers.
    """

    def __init__(self, text: str, status: int = 400, *, by_servers: bool = False) -> None:
        super().__init__(text)
        self.status = status
        self.by_servers = by_servers
