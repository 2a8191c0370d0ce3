"""A request's life, from its head to its record. This file alone names every stage, and in order.

    ROUTE    which service
    PICK     which of its backends; the lease counts the request as in flight there. If all are full: wait
    CONNECT  an idle connection, or a new one
    SEND     the head as a backend is to see it, and the body as it arrives
    HEAD     the response's head, after any 1xx
    BODY     bytes straight from one transport to the other, or TUNNEL after an upgrade
    OBSERVE  one record, whatever happened

What fails before the client saw anything may be tried again on another backend; `policy.retry` decides.

Waiting has one form: a plain function looks at the facts and says yes, says not yet, or raises; after a "not
yet" the coroutine waits for the next event.
"""

from __future__ import annotations

import logging
from time import monotonic
from typing import TYPE_CHECKING, cast

from pylb.errors import Fault, InvalidResponseError, Phase, ProxyError
from pylb.http1.bad_request import bad_response, refused
from pylb.http1.body import Chunked, Sized, UntilClose
from pylb.http1.limits import MAX_INTERIM
from pylb.http1.parser import END_LENGTH, END_OF_HEAD, Request, Response, check_response_beginning
from pylb.http1.writer import request_head, response_head
from pylb.observe.record import Record
from pylb.policy.backend import Backend
from pylb.policy.lease import Lease
from pylb.policy.pool import Pool
from pylb.policy.queue import Full
from pylb.policy.retry import IDEMPOTENT, is_stale
from pylb.proxy.batch import INLINE_LIMIT
from pylb.proxy.connect import connect
from pylb.proxy.queue import wait_for_room
from pylb.proxy.request_body import RequestBodyPump, finish, too_large
from pylb.proxy.transfer import EVENT, BodyPump
from pylb.proxy.tunnel import tunnel
from pylb.proxy.upstream import Upstream, reuse

if TYPE_CHECKING:
    from pylb.proxy.downstream import Downstream


log = logging.getLogger("pylb.proxy")

DEFECT = "a defect of pylb"

BODILESS = frozenset([204, 304])
"""Answers without a body whatever their fields say (RFC 9112 §6.3)."""


async def forward(client: Downstream, head: bytes, record: Record) -> bool:
    """Take one request to a backend and its answer to the client; say whether another one may follow.

    Args:
        client: the connection it came on.
        head: its head, as bytes.
        record: what happens to it, filled in as it goes.
    """
    plane = client.plane
    now = record.started
    body = b""
    upload: BodyPump | None = None
    download: BodyPump | None = None
    try:
        request = record.request = client.requests.read(head)
        plane.identify(record, client.origin)
        if request.length or request.chunked:
            body, upload = _body(request, client)

        pool = plane.routes.only or plane.routes.match(request.host, request.target)  # ROUTE
        if pool is None:
            raise ProxyError(Phase.QUEUE, Fault.POLICY, "no service is routed here", status=404)
        record.service = pool.service
        leases = pool if client.bound is None else client.bound.leases(pool)
        tried: tuple[Backend, ...] = ()
        lease: Lease | None = None
        fresh = False
        while True:
            try:  # PICK
                lease = lease.again(now) if lease is not None and lease.resend else leases.lease(tried, now)
            except Full:
                lease, now = await wait_for_room(client, pool, tried)
            with lease:
                record.attempts.append(lease)
                upstream = None
                try:
                    if not fresh:  # CONNECT
                        upstream = reuse(lease.backend, client, careful=request.method not in IDEMPOTENT)
                    if upstream is not None:
                        lease.reused = True
                    else:
                        upstream = await connect(lease.backend, client, plane.timeouts.connect)
                        lease.connected = now = monotonic()

                    sent = request_head(request, client.origin, record.id, lease.backend.authority)  # SEND
                    if upload is None:
                        upstream.queue_write(sent + body)
                        client.set_deadline(now, plane.timeouts.response)
                        await EVENT  # Nothing can have come yet.
                    else:
                        lease.uploading = True
                        upload.start(upstream, sent)
                        _arm(client, upstream, record, upload)

                    while (response := _head(client, upstream, record, lease, upload)) is None:  # HEAD
                        await EVENT

                    if response.status >= 500 and response.status in plane.retry.statuses:
                        _ask_another(client, pool, record, upload, (*tried, lease.backend))
                    if response.status == 101:
                        return await tunnel(client, upstream, record, response, upload)  # TUNNEL
                    download = _answer(client, upstream, record, request, response, upload=upload)  # BODY
                    while download is not None and not _moved(client, upstream, record, download, upload):
                        await EVENT

                    if upload is not None and not upload.done:  # Answered before it was read to its end.
                        record.finished = record.finished or monotonic()
                        await finish(request, client, upstream, upload)
                    upstream.free(lease.head)
                    return client.keep
                except Exception as failure:
                    _give_up(failure, lease, upstream, upload)
                    fresh = fresh or _may_resend(client, record, upload)
            now = monotonic()
            if not lease.resend:
                tried += (lease.backend,)
                if not (lease.granted or _may_retry(client, pool, record, upload, tried)):
                    raise cast(ProxyError, lease.error)
    except Exception as failure:
        error = _reason(record, failure)
        record.ended(error)
        client.refuse(record, error)
        return False
    finally:
        record.received += len(body) if upload is None else upload.moved
        if download is not None:
            record.sent = download.moved
        record.finished = record.finished or monotonic()
        plane.observe(record)  # OBSERVE


def _reason(record: Record, failure: Exception) -> ProxyError:
    """Why a request ended. What is no `ProxyError` is a defect of pylb, and is logged."""
    if isinstance(failure, ProxyError):
        return failure
    log.error("a defect ended a request", exc_info=failure)
    if record.sending:
        return ProxyError(Phase.DATA, Fault.INTERNAL, DEFECT)
    if record.attempts:
        return ProxyError(Phase.HEADERS, Fault.INTERNAL, DEFECT)
    return ProxyError(Phase.QUEUE, Fault.INTERNAL, DEFECT)


def _give_up(error: Exception, lease: Lease, upstream: Upstream | None, upload: BodyPump | None) -> None:
    """End an attempt that failed, so that another one may follow.

    Raises:
        Exception: the error, if it is a defect; no other attempt may follow then.
    """
    if upstream is not None:
        upstream.close()
    if upload is not None:
        upload.detach()
    if not isinstance(error, ProxyError):
        raise error
    lease.error = error


def _may_resend(client: Downstream, record: Record, upload: BodyPump | None) -> bool:
    """Whether the last attempt failed on a stale connection, and may be repeated at the same backend."""
    lease, request = record.attempts[-1], cast(Request, record.request)
    if is_stale(cast(ProxyError, lease.error), reused=lease.reused, answered=lease.answered):
        replayable = upload is None or upload.can_replay
        lease.resend = client.plane.retry.resends(request, replayable=replayable)
    return lease.resend


def _may_retry(
    client: Downstream, pool: Pool, record: Record, upload: BodyPump | None, tried: tuple[Backend, ...]
) -> bool:
    """Whether there is a backend not in `tried`, and rules and budget allow another attempt there."""
    lease = record.attempts[-1]
    allowed = client.plane.retry.allow(
        cast(ProxyError, lease.error),
        cast(Request, record.request),
        status=lease.status,
        sent=any(attempt.reused or attempt.connected for attempt in record.attempts),
        tries=len(tried),
        replayable=upload is None or upload.can_replay,
    )
    return allowed and pool.has_other_than(tried) and pool.afford_retry()


def _ask_another(
    client: Downstream, pool: Pool, record: Record, upload: BodyPump | None, tried: tuple[Backend, ...]
) -> None:
    """Give up an answer for that of another backend, if there is one and a retry is allowed.

    Raises:
        ProxyError: it is.
    """
    lease = record.attempts[-1]
    detail = f"{lease.backend.name} answered {lease.status}"
    lease.error = ProxyError(Phase.HEADERS, Fault.UPSTREAM, detail)
    if _may_retry(client, pool, record, upload, tried):
        lease.granted = True
        raise lease.error
    lease.error = None


def _body(request: Request, client: Downstream) -> tuple[bytes, RequestBodyPump | None]:
    """The request's body, if it is small and came with the head, as most do; else a pump for it.

    The pump starts when there is somewhere to pump it.
    """
    plane, length = client.plane, request.length
    if length > plane.limits.body:
        raise too_large(plane.limits.body)
    if 0 < length <= min(INLINE_LIMIT, len(client.recv_buffer)):
        body, client.recv_buffer = client.recv_buffer[:length], client.recv_buffer[length:]
        return body, None
    decoder = Chunked(refused) if request.chunked else Sized(length)
    return b"", RequestBodyPump(
        client, decoder, chunked=request.chunked, limit=plane.limits.body, quota=plane.quota
    )


def _owes(upstream: Upstream, record: Record, upload: BodyPump | None) -> bool:
    """Whether it is the client's turn: it has not sent all of its request, and nothing keeps it from that."""
    if upload is None or upload.done or upstream.write_paused:
        return False
    return record.attempts[-1].continued or upload.moved > 0 or not cast(Request, record.request).expect


def _arm(client: Downstream, upstream: Upstream, record: Record, upload: BodyPump | None) -> None:
    """Begin the time-out anew: the client's for the rest of its request, or the backend's for its answer."""
    timeouts = client.plane.timeouts
    owes = _owes(upstream, record, upload)
    client.set_deadline(monotonic(), timeouts.body if owes else timeouts.response)


def _head(
    client: Downstream, upstream: Upstream, record: Record, lease: Lease, upload: BodyPump | None
) -> Response | None:
    """The head of the final response, if it is there. What comes before it (1xx) goes to the client."""
    while upstream.recv_buffer:
        recv_buffer = upstream.recv_buffer
        lease.answered = True
        end = recv_buffer.find(END_OF_HEAD) + END_LENGTH
        if end < END_LENGTH:
            check_response_beginning(recv_buffer)
            break
        response = client.plane.responses.read(recv_buffer[:end])
        upstream.recv_buffer = recv_buffer[end:]
        if response.status >= 200 or response.status == 101:
            lease.head = lease.backend.answered = monotonic()
            lease.status = response.status
            if lease.backend.needs_settle:
                lease.pool.answered(lease)
            return response
        if response.length > 0 or response.chunked:
            upstream.reusable = (
                False  # No 1xx has a body (RFC 9110 section 8.6); this one may be followed by one.
            )
        lease.interim += 1
        if lease.interim > MAX_INTERIM:
            raise bad_response(f"{upstream.backend.name} sent more than {MAX_INTERIM} answers of 1xx")
        lease.continued = lease.continued or response.status == 100
        _arm(client, upstream, record, upload)  # The backend works on it.
        if cast(Request, record.request).version == 1:
            client.write(response_head(response, chunked=False, close=False, version=1))

    if upload is not None and upload.error is not None:
        raise upload.error
    owes = _owes(upstream, record, upload)
    if upstream.lost:
        lease.client_delayed = owes
        raise ProxyError(Phase.HEADERS, Fault.UPSTREAM, f"{upstream.backend.name} closed without an answer")
    if client.lost:
        lease.client_gave_up = not lease.answered and not owes
        raise client.lost_error(Phase.HEADERS)
    if client.expired and owes:
        raise ProxyError(Phase.HEADERS, Fault.CLIENT_TIMEOUT, "the request's body took too long")
    if client.expired:
        raise ProxyError(
            Phase.HEADERS, Fault.UPSTREAM_TIMEOUT, f"{upstream.backend.name} gave no answer in time"
        )
    if lease.uploading and upload is not None and upload.done:
        lease.uploading = False
        _arm(client, upstream, record, upload)
    return None


def _answer(
    client: Downstream,
    upstream: Upstream,
    record: Record,
    request: Request,
    response: Response,
    *,
    upload: BodyPump | None,
) -> BodyPump | None:
    """Send the response's head and what is there of its body; a pump for the rest, if that is not all.

    How the body arrives decides how it leaves: by its length, or in chunks, or, for a client that does not
    know chunks, up to the end of the connection. And it decides whether each connection can be used again.
    """
    if request.authenticates_connection:
        client.bind(upstream, record.attempts[-1].pool)
    length, chunked = response.length, False
    keep = not (request.close or client.close_after_response)
    if response.close:
        upstream.reusable = False
    if request.method == b"HEAD" or response.status in BODILESS:
        if length > 0 or response.chunked:
            upstream.distrust(wholly=response.status == 204)
        length = 0
    elif length < 0:
        chunked = request.version == 1
        keep = keep and chunked
        if not response.chunked:
            upstream.reusable = False
    if upload is not None and not upload.done:  # Nobody knows where the next request would begin.
        upstream.reusable = upstream.settles = keep = False
    client.keep = keep

    head = (
        response.cached_head
        if keep and request.version == 1 and client.response_head is response_head
        else b""
    )
    head = head or client.response_head(
        response, chunked=chunked, close=not keep, version=request.version, date=client.plane.date
    )
    record.status = response.status
    record.sending = True
    if length == len(upstream.recv_buffer):
        client.queue_write(head + upstream.recv_buffer)
        upstream.recv_buffer = b""
        record.sent = length
        record.finished = record.attempts[-1].head
        return None
    decoder = Sized(length) if length >= 0 else Chunked(bad_response) if response.chunked else UntilClose()
    pump = BodyPump(upstream, decoder, client, chunked=chunked)
    client.set_deadline(record.attempts[-1].head, client.plane.timeouts.body)
    pump.start(client, head)
    return pump


def _moved(
    client: Downstream, upstream: Upstream, record: Record, download: BodyPump, upload: BodyPump | None
) -> bool:
    """Whether the response's body has been written; what breaks it off breaks off the client's copy too."""
    if download.done:
        return True
    if download.error is not None:
        raise InvalidResponseError(Phase.DATA, Fault.UPSTREAM, download.error.detail)
    if upload is not None and upload.error is not None:
        raise upload.error
    if upstream.lost and download.ends_at_close and not upstream.broken:
        download.finish()
        return True
    lease = record.attempts[-1]
    owes = _owes(upstream, record, upload)
    if upstream.lost:
        lease.client_delayed = owes or download.delayed
        raise ProxyError(Phase.DATA, Fault.UPSTREAM, f"{upstream.backend.name} closed inside the body")
    if client.lost:
        raise client.lost_error(Phase.DATA)
    if client.expired and client.write_paused:
        if client.makes_progress():
            return False
        raise ProxyError(Phase.DATA, Fault.CLIENT_TIMEOUT, "the client did not read for too long")
    if client.expired and owes:
        raise ProxyError(Phase.DATA, Fault.CLIENT_TIMEOUT, "the rest of the request took too long")
    if client.expired:
        raise ProxyError(
            Phase.DATA, Fault.UPSTREAM_TIMEOUT, f"{upstream.backend.name} stalled inside the body"
        )
    return False
