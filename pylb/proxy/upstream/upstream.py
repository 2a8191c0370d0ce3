"""The interface of one exchange with a backend, for `forward`, `tunnel` and the client side.

It is the counterpart of `proxy.exchange.Exchange`. With HTTP/1 the connection itself is the upstream, because
it carries one exchange at a time: there is no object and no call in between. The module defines no behaviour.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from pylb.errors import Phase, ProxyError
from pylb.http1.body import Decoder, Encoder
from pylb.http1.headers import ClientInfo
from pylb.http1.parser import Request, Response
from pylb.http1.writer import HeadChanges
from pylb.policy.backend import Backend
from pylb.policy.lease import Lease
from pylb.proxy.transfer import ByteStream
from pylb.proxy.waiter import Waiter


class Upstream(ByteStream, Protocol):
    """A request that is being sent to a backend, and the response that arrives.

    The order of the calls is: write `request_head`, `read_head` until it returns the final response, then a
    pump with `decoder()` unless the whole body is in `recv_buffer`, and `free` or `close`. `recv_buffer`
    holds bytes of the response's body once `read_head` has returned its head.
    """

    backend: Backend
    client: Waiter | None
    """The waiter of the exchange, woken when something arrives; None while there is no exchange."""
    length: int
    """Bytes of the body of the final response; -1 if only its framing or the end of the connection shows its
    end."""
    trailer_lines: bytes
    """The trailers of a response that has arrived whole, as lines of HTTP/1."""
    home: list[Any]
    """The list that the connection joins while it is idle: its backend's, or that of a binding."""
    reusable: bool
    """Whether the connection may carry another exchange."""
    broken: bool
    """Whether the connection ended by an error. Then its end does not end a body."""
    joined: bool
    """Whether another exchange has opened the connection, so that the backend may have closed it since."""

    @property
    def request_head(self) -> Callable[[Request, ClientInfo, bytes, bytes], bytes]:
        """A function that returns the head of a request, framed for the backend; see `http1.writer`."""

    @property
    def complete(self) -> bool:
        """Whether a response of unknown length has arrived whole, and its body is in `recv_buffer`."""

    @property
    def closing(self) -> bool:
        """Whether the connection is being closed."""

    def changed_head(self, changes: HeadChanges) -> Callable[[Request, ClientInfo, bytes, bytes], bytes]:
        """Return a function as `request_head`, which changes the head as a route requires."""

    def encoder(self, request: Request) -> Encoder:
        """Return the encoder that frames the body of a request for this backend."""

    def lost_error(self, phase: Phase) -> ProxyError:
        """Return the reason why the exchange ended too early.

        Args:
            phase: `HEADERS` before the head of the final response, else `DATA`.
        """

    def read_head(self, request: Request) -> Response | None:
        """Return the head of the next response to a request, interim or final, and consume it.

        The head of the final response sets `length`, and decides whether the connection can be reused.

        Returns:
            None if the head has not arrived completely.

        Raises:
            ProxyError: 502, the bytes cannot become a head.
        """

    def decoder(self, response: Response) -> Decoder:
        """Return the decoder of the body of the final response."""

    def distrust(self, *, wholly: bool) -> None:
        """Do not reuse the connection; if not `wholly`, reuse it after a pause without a byte."""

    def free(self, lease: Lease) -> None:
        """End the exchange; keep the connection if it is clean and its backend still takes requests.

        Args:
            lease: the attempt, whose response is complete.
        """

    def close(self) -> None:
        """Abort the exchange: it failed, or the rest of the response is not needed."""

    def close_after_writes(self, seconds: float) -> None:
        """End the exchange and its connection; pending bytes have that many seconds to be written."""
