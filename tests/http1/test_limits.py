from pylb.config.clients import Limits
from pylb.http1.limits import MAX_CHUNK_LINE, MAX_FRAMING_EXCESS, MAX_RESPONSE_HEAD, MAX_TRAILERS


def test_the_limits_fit_together():
    limits = Limits()
    assert limits.max_target < limits.max_head <= MAX_RESPONSE_HEAD
    assert limits.max_target >= 8000
    assert MAX_CHUNK_LINE < MAX_TRAILERS < MAX_FRAMING_EXCESS < 64 * 1024
