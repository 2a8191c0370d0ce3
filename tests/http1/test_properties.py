"""What holds for any bytes; `tests/http1/invariants.py` says what that is."""

from itertools import pairwise
from math import inf

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pylb.errors import ProxyError
from pylb.http1.bad_request import bad_request
from pylb.http1.body import Chunked, Sized, chunk, last_chunk
from tests.http1.corpus import cases
from tests.http1.invariants import check_request, check_response
from tests.http1.messages import REQUEST, RESPONSE

PIECES = st.lists(st.binary(min_size=1, max_size=40), max_size=12)
CUTS = st.integers(0, 200)


@given(st.binary(max_size=200), CUTS)
@example(b"", 0)
@example(b"\r\n\r\n", 0)
def test_any_bytes_are_a_request_or_rejected(data, cut):
    check_request(data, cut)


@given(st.binary(max_size=200), CUTS)
@example(b"\r\n\r\n", 0)
def test_any_bytes_are_a_response_or_rejected(data, cut):
    check_response(data, cut)


@given(REQUEST, CUTS, st.booleans())
def test_a_request_keeps_its_meaning_or_is_rejected(data, cut, trusted):
    check_request(data, cut, trusted=trusted)


@given(RESPONSE, CUTS)
def test_a_response_keeps_its_meaning_or_is_rejected(data, cut):
    check_response(data, cut)


@pytest.mark.slow
def test_the_corpus_keeps_the_invariants_for_every_split_of_its_bodies():
    for verdict in ("valid", "invalid"):
        for case in cases("requests", verdict):
            for cut in range(len(case.wire)):
                check_request(case.wire, cut)
        for case in cases("responses", verdict):
            check_response(case.wire, len(case.wire) // 2)


def decode(decoder, pieces):
    return b"".join(decoder.feed(piece) for piece in pieces)


@given(PIECES, st.lists(st.integers(0, 700), max_size=6))
def test_chunks_are_decoded_for_every_split(pieces, cuts):
    sent = b"".join(map(chunk, pieces)) + last_chunk(b"X: y\r\n") + b"next"
    edges = sorted({0, len(sent), *(cut % (len(sent) + 1) for cut in cuts)})
    parts = [sent[a:b] for a, b in pairwise(edges)]
    decoder = Chunked(bad_request)
    payload = b""
    while not decoder.done:
        payload += decoder.feed(parts.pop(0))
    assert payload == b"".join(pieces)
    assert decoder.trailers == b"X: y\r\n"
    assert decoder.rest + b"".join(parts) == b"next"


@given(st.binary(max_size=60), st.integers(0, 60), st.integers(1, 9))
def test_a_length_takes_exactly_that_many_bytes(data, length, size):
    decoder = Sized(length)
    payload, rest = b"", data
    while rest and not decoder.done:
        payload += decoder.feed(rest[:size])
        rest = rest[size:]
    assert payload == data[:length]
    assert decoder.done == (len(data) >= length)
    assert decoder.rest + rest == data[length:]


@given(
    st.lists(
        st.sampled_from([b"0", b"5", b"a", b";", b" ", b"\r", b"\n", b"\r\n", b"x", b":", b"hello", b"\0"]),
        max_size=14,
    )
)
def test_decoding_does_not_depend_on_the_split(words):
    data = b"".join(words)

    def outcome(size, chunks=inf):
        decoder = Chunked(bad_request)
        payload, rest = b"", data
        try:
            while rest and not decoder.done:
                payload += decoder.feed(rest[:size], chunks)
                rest = rest[size:]
            while decoder.pending:
                payload += decoder.feed(b"", chunks)
        except ProxyError:
            return "refused"
        return payload, decoder.done, decoder.trailers, decoder.rest + rest

    assert outcome(1) == outcome(2) == outcome(3) == outcome(1000)
    assert outcome(1000, chunks=1) == outcome(2, chunks=1) == outcome(1000)
