"""The frames that pylb writes are those that hyperframe reads, and the reverse for settings."""

import hyperframe.frame as oracle
import pytest
from h2.settings import _validate_setting
from hypothesis import given
from hypothesis import strategies as st

from pylb.http2 import frames
from pylb.http2.errors import ErrorCode, SessionError

streams = st.integers(1, frames.LAST_STREAM)


def parsed(data):
    """The frames in `data`, as hyperframe reads them."""
    found = []
    while data:
        frame, length = oracle.Frame.parse_frame_header(memoryview(data[: frames.HEADER_LENGTH]), strict=True)
        end = frames.HEADER_LENGTH + length
        frame.parse_body(memoryview(data[frames.HEADER_LENGTH : end]))
        assert frame.body_len == length
        found.append(frame)
        data = data[end:]
    return found


def only(data, kind):
    (frame,) = parsed(data)
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


@given(streams, st.binary(max_size=100), st.booleans(), st.integers(1, 40))
def test_a_header_block_is_cut_into_frames_of_the_peers_size(stream, block, end, size):
    first, *others = parsed(frames.headers(stream, block, end_stream=end, max_frame=size))
    assert type(first) is oracle.HeadersFrame
    assert {type(frame) for frame in others} <= {oracle.ContinuationFrame}
    assert b"".join(frame.data for frame in (first, *others)) == block
    assert {frame.stream_id for frame in (first, *others)} == {stream}
    assert [len(frame.data) for frame in (first, *others)][:-1] == [size] * len(others)
    assert not others or others[-1].data
    assert ["END_HEADERS" in frame.flags for frame in (first, *others)] == [False] * len(others) + [True]
    assert ["END_STREAM" in frame.flags for frame in (first, *others)] == [end] + [False] * len(others)


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


edges = st.sampled_from([0, 1, 2, 2**14 - 1, 2**14, 2**24 - 1, 2**24, 2**31 - 1, 2**31, 2**32 - 1])


@given(st.sampled_from([1, 2, 3, 4, 5, 6, 8]), edges | st.integers(0, 2**32 - 1))
def test_settings_are_accepted_as_h2_accepts_them(setting, value):
    expected = _validate_setting(setting, value)
    if expected:
        with pytest.raises(SessionError) as error:
            frames.parse_settings(payload((setting, value)))
        assert error.value.code == expected
    else:
        assert frames.parse_settings(payload((setting, value))) == {setting: value}
