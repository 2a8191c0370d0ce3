"""The one way in which a request is refused."""

from __future__ import annotations


class RequestError(Exception):
    """A request that Consul answers with an error; the message is Consul's.

    Args:
        text: the answer's body.
        status: its HTTP status.
    """

    def __init__(self, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.status = status
