from h2.errors import ErrorCodes

from pylb.http2.errors import ErrorCode, SessionError, StreamError


def test_the_codes_are_those_of_the_registry():
    assert {code.name: code.value for code in ErrorCode} == {code.name: code.value for code in ErrorCodes}


def test_an_error_shows_its_code_and_detail():
    assert (
        repr(SessionError(ErrorCode.COMPRESSION_ERROR, "an index"))
        == "<SessionError COMPRESSION_ERROR 'an index'>"
    )
    assert repr(StreamError(3, ErrorCode.CANCEL, "gone")) == "<StreamError 3 CANCEL 'gone'>"
