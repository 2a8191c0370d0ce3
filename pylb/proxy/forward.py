"""The life of a request, from its parsed head to the end of its response. Only this file names every stage.

    ROUTE    choose the service by host, path and further matchers
    PICK     lease a backend, which counts the request as in flight there; wait in the queue if all are full
    CONNECT  take an idle connection, or open one
    SEND     write the head as the backend must see it, then the body as it arrives
    HEAD     read the head of the final response; pass interim responses (1xx) on
    BODY     move the response's body to the client, or TUNNEL bytes both ways after an upgrade

The exchange reports the record afterwards, whatever happened (OBSERVE).
An attempt that fails before the client has received anything may be repeated on another backend;
`policy.retry` decides. All waiting has one form: a plain function checks the state and returns a result,
returns None for "not yet", or raises; after "not yet" the coroutine waits for the next event.

The file is independent of client connections and framing: it works on an `Exchange`. It may not import the
server or the class of a connection.
"""

from __future__ import annotations

from time import monotonic
from typing import cast

from pylb.errors import Fault, InvalidResponseError, Phase, ProxyError, UnprocessedError
from pylb.http1.bad_request import bad_response
from pylb.http1.limits import MAX_INTERIM
from pylb.http1.parser import Request, Response
from pylb.observe.record import Record
from pylb.policy.backend import Backend
from pylb.policy.lease import Lease
from pylb.policy.pool import Pool
from pylb.policy.queue import Full
from pylb.policy.retry import IDEMPOTENT, is_stale, was_sent
from pylb.proxy.early_response import finish
from pylb.proxy.exchange import Exchange
from pylb.proxy.queue import wait_for_room
from pylb.proxy.routing import answer, route
from pylb.proxy.transfer import EVENT, BodyPump
from pylb.proxy.tunnel import tunnel
from pylb.proxy.upstream.idle import reuse
from pylb.proxy.upstream.upstream import Upstream
from pylb.routes.edit import ResponseEdit


async def forward(client: Exchange, request: Request, record: Record) -> bool:
    """Forward a request to a backend, and the response to the client. See `exchange.Handler`."""
    now = record.started
    body = b""
    upload: BodyPump | None = None
    download: BodyPump | None = None
    try:
        service, changes, edit = client.context.routes.only, None, None  # ROUTE
        if service is None:
            service, changes, edit, record.fit = route(client, request, record)
            if service is None:
                return await answer(client, request, record, record.fit)
        client.service = service
        service, pool = client.service, service.pool  # A call of gRPC has its own time limits.
        record.service = pool.service
        if request.length or request.chunked:
            body, upload = client.body(request)
        bound, key = client.bound, service.read_key and service.read_key(client.client_info, request)
        leases = pool if bound is None else bound.leases(pool)
        tried: tuple[Backend, ...] = ()
        lease: Lease | None = None
        fresh = False
        while True:
            try:  # PICK
                lease = lease.again(now) if lease and lease.resend else leases.lease(tried, now, key)
            except Full:
                lease, now = await wait_for_room(client, pool, tried)
                request = client.after_delay(request, now)
            with lease:
                record.attempts.append(lease)
                upstream: Upstream | None = None
                try:
                    if not fresh:  # CONNECT
                        idle = lease.backend.idle if bound is None else bound.idle(lease.backend)
                        upstream = reuse(idle, client, careful=request.method not in IDEMPOTENT)
                    if upstream is not None:
                        lease.reused = True
                    else:
                        upstream = await service.connect(lease.backend, client)
                        lease.reused = upstream.joined
                        lease.connected = now = monotonic()

                    write_head = upstream.request_head  # SEND
                    if changes is not None:
                        write_head = upstream.changed_head(changes)
                    sent = write_head(request, client.client_info, record.id, lease.backend.authority)
                    if upload is None:
                        upstream.queue_write(sent + (body and _framed(upstream, request, body)))
                        client.set_deadline(now, service.timeouts.response_timeout)
                        await EVENT  # No response can have arrived yet.
                    else:
                        _start_upload(client, upstream, record, upload, sent)

                    while (response := upstream.read_head(request)) is None or response.interim:  # HEAD
                        if response is not None:
                            _pass_on(client, upstream, record, response, upload)
                            continue
                        _check_head(client, upstream, record, upload)
                        await EVENT
                    lease.answered = True
                    lease.head = lease.backend.answered = monotonic()
                    lease.status = response.status
                    if lease.backend.needs_settle:
                        pool.answered(lease)
                    if response.condition and response.condition in service.retry.responses:
                        _ask_another(client, record, upload, (*tried, lease.backend), response)
                    if edit is not None or service.sticky is not None:
                        response = _edited(client, record, response, edit, key)
                    if response.status == 101:
                        return await tunnel(client, upstream, record, response, upload)  # TUNNEL
                    download = client.respond(upstream, record, request, response, upload=upload)
                    while download is not None and not _moved(client, upstream, record, download, upload):
                        await EVENT  # BODY

                    if upload is not None and not upload.done:  # The response came before the request's end.
                        await finish(record, client, upstream, upload)
                    upstream.free(lease)
                    return client.keep
                except Exception as failure:
                    _give_up(failure, lease, upstream, upload)
                    fresh = fresh or _may_resend(client, record, upload)
            if not lease.resend:
                tried += (lease.backend,)
                if not (lease.granted or _may_retry(client, pool, record, upload, tried)):
                    raise cast(ProxyError, lease.error)
            request, now = _delayed(client, request)
    finally:
        record.received += len(body) if upload is None else upload.moved
        if download is not None:
            record.sent = download.moved


def _give_up(error: Exception, lease: Lease, upstream: Upstream | None, upload: BodyPump | None) -> None:
    """End a failed attempt, so that another one may follow.

    Raises:
        Exception: the error, if it is a defect. Then no other attempt follows.
    """
    if upstream is not None:
        lease.answered = lease.answered or bool(upstream.recv_buffer)
        upstream.close()
    if upload is not None:
        upload.detach()
    if not isinstance(error, ProxyError):
        raise error
    lease.error = error


def _delayed(client: Exchange, request: Request) -> tuple[Request, float]:
    """Return the request for another attempt, and the time at which that begins."""
    now = monotonic()
    return client.after_delay(request, now), now


def _may_resend(client: Exchange, record: Record, upload: BodyPump | None) -> bool:
    """Return whether the last attempt failed on a stale connection and may be repeated."""
    lease, request = record.attempts[-1], cast(Request, record.request)
    error, replayable = cast(ProxyError, lease.error), upload is None or upload.can_replay
    if isinstance(error, UnprocessedError):
        _send_again(lease, record, error, replayable=replayable)
    elif is_stale(error, reused=lease.reused, answered=lease.answered):
        lease.resend = client.service.retry.resends(request, replayable=replayable)
    return lease.resend


def _send_again(lease: Lease, record: Record, error: UnprocessedError, *, replayable: bool) -> None:
    """Repeat an attempt that its backend has not processed: once in a request, and not as a retry.

    It goes to another backend if there is one, because this one is overloaded or ends.
    """
    if not replayable or any(isinstance(earlier.error, UnprocessedError) for earlier in record.attempts[:-1]):
        return
    tried = [attempt.backend for attempt in record.attempts]
    lease.granted = not error.same and lease.pool.has_other_than(tried)
    lease.resend = not lease.granted and error.fault is not Fault.POLICY  # It would be refused again.


def _may_retry(
    client: Exchange, pool: Pool, record: Record, upload: BodyPump | None, tried: tuple[Backend, ...]
) -> bool:
    """Return whether rules and budget allow another attempt, on a backend that is not in `tried`."""
    lease = record.attempts[-1]
    allowed = client.service.retry.allow(
        cast(ProxyError, lease.error),
        cast(Request, record.request),
        response=lease.condition,
        sent=any(was_sent(attempt) for attempt in record.attempts),
        attempts=len(tried),
        replayable=upload is None or upload.can_replay,
    )
    return allowed and pool.has_other_than(tried) and pool.afford_retry()


def _ask_another(
    client: Exchange,
    record: Record,
    upload: BodyPump | None,
    tried: tuple[Backend, ...],
    response: Response,
) -> None:
    """Discard a response in favour of another backend's, if there is another backend and a retry is allowed.

    Raises:
        ProxyError: the retry is allowed.
    """
    lease = record.attempts[-1]
    detail = f"{lease.backend.name} answered {response.condition}"
    lease.condition = response.condition
    lease.error = ProxyError(Phase.HEADERS, Fault.UPSTREAM, detail)
    if _may_retry(client, client.service.pool, record, upload, tried):
        lease.granted = True
        raise lease.error
    lease.error = None


def _edited(
    client: Exchange, record: Record, response: Response, edit: ResponseEdit | None, key: bytes | None
) -> Response:
    """Return the response as its route and its session change it."""
    if edit is not None:
        response = edit(response)
    sticky = client.service.sticky
    if sticky is None:
        return response
    request, backend = cast(Request, record.request), record.attempts[-1].backend
    return sticky.issue(response, client.client_info, request, backend, key)


def _awaits_client(upstream: Upstream, record: Record, upload: BodyPump | None) -> bool:
    """Return whether pylb waits for the client: its request is incomplete, and it can continue."""
    if upload is None or upload.done or upstream.write_paused:
        return False
    return record.attempts[-1].continued or upload.moved > 0 or not cast(Request, record.request).expect


def _framed(upstream: Upstream, request: Request, body: bytes) -> bytes:
    """Return the body of a request that has arrived whole, framed for this backend."""
    if not request.chunked:
        return body
    encoder = upstream.encoder(request)
    return encoder.encode(body) + encoder.end()


def _start_upload(
    client: Exchange, upstream: Upstream, record: Record, upload: BodyPump, head: bytes
) -> None:
    """Write the head, and let the request's body follow as it arrives, framed for this backend."""
    record.attempts[-1].uploading = True
    upload.encoder = upstream.encoder(cast(Request, record.request))
    upload.start(upstream, head)
    _restart_timeout(client, upstream, record, upload)


def _restart_timeout(client: Exchange, upstream: Upstream, record: Record, upload: BodyPump | None) -> None:
    """Restart the timeout, of the client for its request or of the backend for its response."""
    timeouts = client.service.timeouts
    awaits_client = _awaits_client(upstream, record, upload)
    client.set_deadline(monotonic(), timeouts.body_timeout if awaits_client else timeouts.response_timeout)


def _pass_on(
    client: Exchange, upstream: Upstream, record: Record, response: Response, upload: BodyPump | None
) -> None:
    """Pass an interim response (1xx) on to the client.

    Raises:
        ProxyError: 502, the backend has sent too many of them.
    """
    lease = record.attempts[-1]
    lease.answered = True
    lease.interim += 1
    if lease.interim > MAX_INTERIM:
        raise bad_response(f"{upstream.backend.name} sent more than {MAX_INTERIM} interim responses")
    lease.continued = lease.continued or response.status == 100
    _restart_timeout(client, upstream, record, upload)  # The backend is working on the request.
    client.interim(cast(Request, record.request), response)


def _check_head(client: Exchange, upstream: Upstream, record: Record, upload: BodyPump | None) -> None:
    """Check that the head of the response can still arrive, and in time.

    Raises:
        ProxyError: it cannot.
    """
    lease = record.attempts[-1]
    if upload is not None and upload.error is not None:
        raise upload.error
    awaits_client = _awaits_client(upstream, record, upload)
    if upstream.lost:
        lease.client_delayed = awaits_client
        raise upstream.lost_error(Phase.HEADERS)
    if client.lost:
        lease.client_gave_up = not (lease.answered or upstream.recv_buffer or awaits_client)
        raise client.lost_error(Phase.HEADERS)
    if client.expired and awaits_client:
        raise ProxyError(Phase.HEADERS, Fault.CLIENT_TIMEOUT, "the request's body took too long")
    if client.expired:
        raise ProxyError(
            Phase.HEADERS, Fault.UPSTREAM_TIMEOUT, f"{upstream.backend.name} gave no answer in time"
        )
    if lease.uploading and upload is not None and upload.done:
        lease.uploading = False
        _restart_timeout(client, upstream, record, upload)


def _moved(
    client: Exchange, upstream: Upstream, record: Record, download: BodyPump, upload: BodyPump | None
) -> bool:
    """Return whether the response's whole body has been written.

    Raises:
        ProxyError: the body ended early. The client's copy ends early too.
    """
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
    awaits_client = _awaits_client(upstream, record, upload)
    if upstream.lost:
        lease.client_delayed = awaits_client or download.delayed
        raise upstream.lost_error(Phase.DATA)
    if client.lost:
        raise client.lost_error(Phase.DATA)
    if client.expired and client.write_paused:
        if client.makes_progress(client.service.quota):
            return False
        raise ProxyError(Phase.DATA, Fault.CLIENT_TIMEOUT, "the client did not read for too long")
    if client.expired and awaits_client:
        raise ProxyError(Phase.DATA, Fault.CLIENT_TIMEOUT, "the rest of the request took too long")
    if client.expired:
        raise ProxyError(
            Phase.DATA, Fault.UPSTREAM_TIMEOUT, f"{upstream.backend.name} stalled inside the body"
        )
    return False
