from pylb.config.clients import Limits
from pylb.http1.limits import MAX_CHUNK_LINE, MAX_FRAMING_EXCESS, MAX_RESPONSE_HEAD, MAX_TRAILERS


def test_a_target_fits_in_a_head_and_all_framing_of_a_chunk_in_a_read():
    limits = Limits()
    assert limits.max_target < limits.max_head <= MAX_RESPONSE_HEAD
    assert limits.max_target >= 8000
    assert MAX_CHUNK_LINE < MAX_TRAILERS < MAX_FRAMING_EXCESS < 64 * 1024
