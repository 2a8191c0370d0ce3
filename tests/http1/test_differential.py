"""h11 and llhttp interpret the messages that pylb accepts and forwards in the same way.

That they refuse some of what pylb accepts is harmless: a target beyond ASCII, a method that llhttp does not
list, white space before a chunk's extension, trailers with the names of framing fields.
"""

from contextlib import suppress

from hypothesis import given

from pylb.config.clients import Limits
from pylb.errors import ProxyError
from pylb.http1.bad_request import bad_request, bad_response
from pylb.http1.body import Chunked, Sized, UntilClose, chunk, last_chunk
from pylb.http1.headers import ClientInfo
from pylb.http1.parser import END_OF_HEAD, parse_request, parse_response
from pylb.http1.writer import request_head, response_head
from tests.every import every
from tests.http1.corpus import cases
from tests.http1.invariants import fields_of, read_head
from tests.http1.messages import REQUEST, RESPONSE
from tests.http1.readers import (
    REJECTED,
    Message,
    plain,
    request_by_h11,
    request_by_llhttp,
    response_by_h11,
    response_by_llhttp,
)

NOT_IN_LLHTTP = {b"get", b"BREW", b"X" * 40}
BODILESS = {204, 304}


def split(data):
    head, _, rest = data.partition(END_OF_HEAD)
    return head + END_OF_HEAD, rest


def framed(body, trailers, *, chunked):
    return chunk(body) * (body != b"") + last_chunk(trailers) if chunked else body


def message(head, words, body, trailers):
    start, fields = read_head(head)
    return Message(tuple(start[:words]), plain(fields), body, plain(fields_of(trailers.split(b"\r\n")[:-1])))


def one_request(data):
    """Return the first request in the data as received and as parsed by pylb, and both forms as forwarded."""
    head, rest = split(data)
    request = parse_request(head, Limits())
    decoder = Chunked(bad_request) if request.chunked else Sized(request.length)
    body = decoder.feed(rest)
    sent = request_head(request, ClientInfo("192.0.2.7", "http"), b"id", b"10.0.0.1:80")
    wire = sent + framed(body, decoder.trailers, chunked=request.chunked)
    came = data.removesuffix(decoder.rest), message(head, 3, body, decoder.trailers)
    return decoder.done, came, (wire, message(sent, 3, body, decoder.trailers))


def one_response(data):
    """The same for a response to GET."""
    head, rest = split(data)
    response = parse_response(head)
    length = 0 if response.status < 200 or response.status in BODILESS else response.length
    decoder = Sized(length) if length >= 0 else Chunked(bad_response) if response.chunked else UntilClose()
    body = decoder.feed(rest)
    sent = response_head(response, chunked=length < 0, close=False, version=1)
    wire = sent + framed(body, decoder.trailers, chunked=length < 0)
    came = data.removesuffix(decoder.rest), message(head, 2, body, decoder.trailers)
    done = decoder.done or isinstance(decoder, UntilClose)
    return done, came, (wire, message(sent, 2, body, decoder.trailers))


def check_agreement(read, came, sent, *, may_refuse):
    """Compare interpretations. Only forwarded trailers are compared, because pylb drops the others."""
    wire, understood = came
    reading = read(wire)
    if reading is not REJECTED:
        assert set(understood.trailers) <= set(reading.trailers)
        assert (reading.start, reading.fields, reading.body) == (
            understood.start,
            understood.fields,
            understood.body,
        )
    wire, understood = sent
    reading = read(wire)
    assert reading == understood or (reading is REJECTED and may_refuse)


def check_request(data):
    done, came, sent = one_request(data)
    if not done:
        return
    method, target, _ = sent[1].start
    check_agreement(request_by_h11, came, sent, may_refuse=not target.isascii())
    foreign = not target.isascii() or method in NOT_IN_LLHTTP
    check_agreement(request_by_llhttp, came, sent, may_refuse=foreign)


def check_response(data):
    done, came, sent = one_response(data)
    if not done:
        return
    check_agreement(response_by_h11, came, sent, may_refuse=False)
    check_agreement(response_by_llhttp, came, sent, may_refuse=False)


@given(REQUEST)
def test_generated_requests_are_interpreted_alike(data):
    with suppress(ProxyError):
        check_request(data)


@given(RESPONSE)
def test_generated_responses_are_interpreted_alike(data):
    with suppress(ProxyError):
        check_response(data)


@every("case", cases("requests", "valid"), ids=lambda case: case.name)
def test_requests_of_the_corpus_are_interpreted_alike(case):
    check_request(case.wire)


@every("case", cases("responses", "valid"), ids=lambda case: case.name)
def test_responses_of_the_corpus_are_interpreted_alike(case):
    check_response(case.wire)
