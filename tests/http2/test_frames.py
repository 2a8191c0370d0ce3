"""The frames that pylb writes are those that hyperframe reads, and the reverse for settings."""

import hyperframe.frame as oracle
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pylb.http2 import frames
from pylb.http2.errors import ErrorCode, SessionError
from tests.http2.invariants import check_headers, check_settings, parsed_frames

streams = st.integers(1, frames.LAST_STREAM)


def only(data, kind):
    (frame,) = parsed_frames(data)
    assert type(frame) is kind
    return frame


@given(streams, st.binary(max_size=300), st.booleans())
def test_data(stream, payload, end):
    frame = only(frames.data(stream, payload, end_stream=end), oracle.DataFrame)
    assert (frame.stream_id, frame.data, set(frame.flags)) == (
        stream,
        payload,
        {"END_STREAM"} if end else set(),
    )


@given(st.binary(max_size=100), st.booleans(), st.integers(1, 40))
@example(b"x" * 80, False, 40)
def test_a_header_block_is_cut_into_frames_of_the_peers_size(block, end, size):
    check_headers(block, end_stream=end, max_frame=size)


@given(streams, st.binary(max_size=20), st.booleans())
def test_a_header_block_that_fits_is_one_frame(stream, block, end):
    frame = only(frames.headers(stream, block, end_stream=end), oracle.HeadersFrame)
    assert (frame.stream_id, frame.data) == (stream, block)
    assert set(frame.flags) == {"END_HEADERS", "END_STREAM"} - (set() if end else {"END_STREAM"})


@given(st.dictionaries(st.integers(0, 0xFFFF), st.integers(0, 2**32 - 1)))
def test_settings(values):
    frame = only(frames.settings(values), oracle.SettingsFrame)
    assert frame.settings == values
    assert not frame.flags


def test_acknowledgement_of_settings():
    frame = only(frames.SETTINGS_ACK, oracle.SettingsFrame)
    assert (set(frame.flags), frame.settings, frame.stream_id) == ({"ACK"}, {}, 0)


@given(st.binary(min_size=8, max_size=8), st.booleans())
def test_ping(opaque, ack):
    frame = only(frames.ping(opaque, ack=ack), oracle.PingFrame)
    assert (frame.opaque_data, set(frame.flags)) == (opaque, {"ACK"} if ack else set())


@given(streams, st.sampled_from(ErrorCode), st.binary(max_size=50))
def test_goaway(last, code, detail):
    frame = only(frames.goaway(last, code, detail), oracle.GoAwayFrame)
    assert (frame.last_stream_id, frame.error_code, frame.additional_data) == (last, code, detail)


@given(streams, st.sampled_from(ErrorCode), st.integers(1, frames.LARGEST_WINDOW))
def test_frames_of_one_number(stream, code, increment):
    reset = only(frames.rst_stream(stream, code), oracle.RstStreamFrame)
    update = only(frames.window_update(stream, increment), oracle.WindowUpdateFrame)
    assert (reset.stream_id, reset.error_code) == (stream, code)
    assert (update.stream_id, update.window_increment) == (stream, increment)


def test_the_header_of_a_frame_holds_length_kind_flags_and_stream():
    sent = frames.frame(frames.PRIORITY_UPDATE, 0x25, 7, b"12345u=1")
    word, flags, stream = frames.HEADER.unpack_from(sent)
    assert (word >> 8, word & 0xFF, flags, stream) == (8, frames.PRIORITY_UPDATE, 0x25, 7)


KINDS = [kind for kind in oracle.FRAMES.items() if kind[0] != 0xA]


@pytest.mark.parametrize(("number", "kind"), KINDS)
def test_the_kinds_have_their_registered_numbers(number, kind):
    name = {
        "RstStreamFrame": "RST_STREAM",
        "PushPromiseFrame": "PUSH_PROMISE",
        "WindowUpdateFrame": "WINDOW_UPDATE",
    }
    assert getattr(frames, name.get(kind.__name__, kind.__name__.removesuffix("Frame").upper())) == number


def payload(*entries):
    return b"".join(setting.to_bytes(2) + value.to_bytes(4) for setting, value in entries)


def test_the_last_of_several_values_applies():
    assert frames.parse_settings(payload((3, 5), (3, 9), (0xABCD, 1))) == {3: 9, 0xABCD: 1}


@pytest.mark.parametrize(
    ("given_payload", "code"),
    [
        (b"12345", ErrorCode.FRAME_SIZE_ERROR),
        (payload((2, 2)), ErrorCode.PROTOCOL_ERROR),
        (payload((2, 2), (2, 1)), ErrorCode.PROTOCOL_ERROR),
        (payload((4, 2**31)), ErrorCode.FLOW_CONTROL_ERROR),
        (payload((5, 2**14 - 1)), ErrorCode.PROTOCOL_ERROR),
        (payload((5, 2**24)), ErrorCode.PROTOCOL_ERROR),
        (payload((8, 2)), ErrorCode.PROTOCOL_ERROR),
        (payload((9, 2)), ErrorCode.PROTOCOL_ERROR),
        (payload(*[(3, 5)] * 33), ErrorCode.ENHANCE_YOUR_CALM),
    ],
)
def test_invalid_settings_end_the_connection(given_payload, code):
    with pytest.raises(SessionError) as error:
        frames.parse_settings(given_payload)
    assert error.value.code is code


settings = st.tuples(
    st.integers(0, 10),
    st.sampled_from([0, 1, 2, 2**14 - 1, 2**14, 2**24 - 1, 2**24, 2**31 - 1, 2**31, 2**32 - 1])
    | st.integers(0, 2**32 - 1),
)


@given(st.lists(settings, max_size=4).map(lambda entries: payload(*entries)) | st.binary(max_size=30))
def test_settings_are_accepted_as_h2_accepts_them(given_payload):
    check_settings(given_payload)
