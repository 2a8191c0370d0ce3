"""A request's body on its way to a backend, within the limits that hold for clients."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from pylb.http1.bad_request import refused
from pylb.http1.body import Decoder
from pylb.proxy.transfer import EVENT, BodyPump

if TYPE_CHECKING:
    from pylb.errors import ProxyError
    from pylb.http1.parser import Request
    from pylb.proxy.downstream import Downstream
    from pylb.proxy.upstream import Upstream


class RequestBodyPump(BodyPump):
    """A pump that breaks off a body that is too large, and does not take a trickle for progress.

    Args:
        client: where the body arrives.
        decoder: finds the payload and the end.
        chunked: whether it is sent in chunks.
        limit: bytes of payload.
        quota: bytes that must have arrived before the time-out begins anew.
    """

    __slots__ = ("_fresh", "_limit", "_quota")

    def __init__(
        self, client: Downstream, decoder: Decoder, *, chunked: bool, limit: float, quota: float
    ) -> None:
        super().__init__(client, decoder, client, chunked=chunked, replay=True)
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


async def finish(request: Request, client: Downstream, upstream: Upstream, upload: BodyPump) -> None:
    """Pass on the rest of a request that the backend has answered already, while the backend reads on.

    A collector of logs may answer 202 at once, and an echo begins before the request ends: both read all of
    it. A backend that closes, or takes nothing for `Timeouts.linger_silence`, does not want the rest. Then it
    is discarded, so that a client that reads the answer after it has sent everything gets the answer.

    Nothing is waited for if the client waits itself: for a 100, or in HTTP/1.0 for the end of the connection.
    """
    if request.version == 1 and (upload.moved or not request.expect):
        await _passed_on(client, upstream, upload)
    if not upload.done:
        upload.detach()
        client.discard()


async def _passed_on(client: Downstream, upstream: Upstream, upload: BodyPump) -> None:
    """Wait for the end of a body, while it moves at `--min-body-rate` and neither side gives up."""
    timeouts = client.plane.timeouts
    silence, before = timeouts.linger_silence, upload.moved
    client.set_deadline(monotonic(), silence)
    while not (upload.done or upload.error or client.lost or upstream.lost or upstream.recv_buffer):
        if client.expired:
            if upload.moved - before < max(timeouts.body_rate * silence, 1):
                break
            before = upload.moved
            client.set_deadline(monotonic(), silence)
        await EVENT


def too_large(limit: float) -> ProxyError:
    """A body of more than so many bytes."""
    return refused(f"a body of more than {limit} bytes", 413)
