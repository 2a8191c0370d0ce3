from pylb.config.kinds import Address
from pylb.config.parse import parse
from pylb.tools.terminal.history import HistoryOptions
from pylb.tools.terminal.options import Running


def test_the_default_address_is_that_of_serve():
    assert parse(Running, [], {}).admin == Address("127.0.0.1", 8081)
    assert parse(HistoryOptions, [], {"PYLB_HISTORY_ADMIN": "127.0.0.1:9"}).admin == Address("127.0.0.1", 9)
