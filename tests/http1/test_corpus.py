"""Every wire case, as one message and byte by byte; see `tests/http1/corpus.py` for what a case says."""

import pytest

from pylb.config.clients import Limits
from pylb.errors import ProxyError
from pylb.http1.bad_request import bad_request, bad_response
from pylb.http1.body import Chunked, Sized, UntilClose
from pylb.http1.headers import ClientInfo
from pylb.http1.parser import END_OF_HEAD, check_beginning, parse_request, parse_response
from pylb.http1.writer import request_head, response_head
from tests.every import every
from tests.http1.corpus import FACTS, cases

BODILESS = {204, 304}
SIZES = (1, 2, 3, 10**6)
"""Bytes of the pieces in which a body arrives."""


def every_case(*kind):
    return every("case", cases(*kind), ids=lambda case: case.name)


def split(wire):
    end = wire.index(END_OF_HEAD) + len(END_OF_HEAD)
    return wire[:end], wire[end:]


def decode(decoder, data, size):
    """What a decoder makes of data that arrives in pieces of that size."""
    payload = b""
    while data and not decoder.done:
        payload += decoder.feed(data[:size])
        data = data[size:]
    return payload, decoder.trailers, decoder.rest + data


def read_request(wire, size):
    if END_OF_HEAD not in wire:
        check_beginning(wire, Limits())
    head, rest = split(wire)
    request = parse_request(head, Limits())
    return decode(Chunked(bad_request) if request.chunked else Sized(request.length), rest, size)


def added_lines(case):
    """What is added to every request."""
    host = case.fact("host", "shop.example")
    version = b"1.0" if b" HTTP/1.0\r\n" in case.wire else b"1.1"
    return b"".join((
        b"X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: http\r\n",
        b"X-Forwarded-Port: %b\r\n" % case.fact("port", "80"),
        b"X-Real-IP: 192.0.2.7\r\n",
        b"" if host == b"none" else b"X-Forwarded-Host: %b\r\n" % host,
        b"Via: %b pylb\r\nX-Request-ID: corpus\r\n\r\n" % version,
    ))  # fmt: skip


@every_case("requests", "valid")
def test_a_valid_request_becomes_one_unambiguous_message(case):
    head, rest = split(case.wire)
    request = parse_request(head, Limits())
    origin = ClientInfo(
        "192.0.2.7", "http", proxies={"192.0.2.7"} if "trusted" in case.facts else (), via="pylb"
    )
    id_ = origin.request_id(request) or b"corpus"
    expected = case.forwarded if "told" in case.facts else case.forwarded + added_lines(case)
    assert request_head(request, origin, id_, b"10.0.0.1:8000") == expected
    for size in SIZES:
        decoder = Chunked(bad_request) if request.chunked else Sized(request.length)
        assert decode(decoder, rest, size) == (case.fact("body"), case.fact("trailers"), case.fact("rest"))
    assert request.close == ("closes" in case.facts)


@every_case("requests", "invalid")
def test_an_invalid_request_is_rejected(case):
    for size in SIZES:
        with pytest.raises(ProxyError) as bad_request:
            read_request(case.wire, size)
        assert bad_request.value.status == case.status
        assert case.words in bad_request.value.detail


def answered(case, response):
    """How the body arrives, and how it leaves, as `proxy.forward` decides."""
    bodiless = case.fact("method") == b"HEAD" or response.status < 200 or response.status in BODILESS
    length = 0 if bodiless else response.length
    version = int(case.fact("client", "1"))
    chunked = length < 0 and version == 1
    close = length < 0 and version == 0
    decoder = Sized(length) if length >= 0 else Chunked(bad_response) if response.chunked else UntilClose()
    return decoder, response_head(response, chunked=chunked, close=close, version=version)


@every_case("responses", "valid")
def test_a_valid_response_becomes_one_unambiguous_message(case):
    head, rest = split(case.wire)
    response = parse_response(head)
    for size in SIZES:
        decoder, sent = answered(case, response)
        assert sent == case.forwarded
        assert decode(decoder, rest, size) == (case.fact("body"), case.fact("trailers"), case.fact("rest"))
    assert response.close == ("closes" in case.facts)


@every_case("responses", "invalid")
def test_an_invalid_response_is_a_bad_gateway(case):
    head, rest = split(case.wire)
    for size in SIZES:
        with pytest.raises(ProxyError) as bad_request:
            decode(answered(case, parse_response(head))[0], rest, size)
        assert bad_request.value.status == case.status == 502
        assert case.words in bad_request.value.detail


def test_every_fact_is_known():
    for kind in ("requests", "responses"):
        for verdict in ("valid", "invalid"):
            for case in cases(kind, verdict):
                assert set(case.facts) <= set(FACTS), case.name
                assert case.facts["source"], case.name
                assert ("refused" in case.facts) == (verdict == "invalid"), case.name


def test_the_corpus_is_large():
    assert sum(len(cases(k, v)) for k in ("requests", "responses") for v in ("valid", "invalid")) >= 400
