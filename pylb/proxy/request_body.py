"""A request's body on its way to a backend, within the size and rate limits for clients."""

from __future__ import annotations

from pylb.errors import ProxyError
from pylb.http1.bad_request import bad_request
from pylb.http1.body import IDENTITY, Decoder
from pylb.proxy.exchange import Exchange
from pylb.proxy.transfer import BodyPump


class RequestBodyPump(BodyPump):
    """A pump that rejects a body above the size limit, and counts as progress only a minimum of bytes.

    Args:
        client: the exchange that the body arrives on.
        decoder: extracts the payload and finds the end.
        limit: largest payload, in bytes.
        quota: bytes that must arrive before the timeout restarts.
    """

    __slots__ = ("_fresh", "_limit", "_quota")

    def __init__(self, client: Exchange, decoder: Decoder, *, limit: float, quota: float) -> None:
        super().__init__(client, decoder, IDENTITY, client, replay=True)  # `forward` sets the encoder.
        self._limit = limit
        self._quota = quota
        self._fresh = 0

    def feed(self, data: bytes) -> None:
        moved = self.client.progressed
        super().feed(data)
        self._fresh += len(data)
        if self._fresh >= self._quota:
            self._fresh = 0
            moved = True
        self.client.progressed = moved

    def _take(self, data: bytes) -> list[bytes]:
        pieces = super()._take(data)
        if self.moved > self._limit:
            self.error = too_large(self._limit)
            return []
        return pieces


def too_large(limit: float) -> ProxyError:
    """Return the error for a body of more than `limit` bytes (413)."""
    return bad_request(f"a body of more than {limit} bytes", 413)
