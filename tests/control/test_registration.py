import pytest

from pylb.config import Address, Options, Url
from pylb.config.kinds import HostPort
from pylb.config.parse import parse
from pylb.control.registration import identity, registered
from pylb.errors import UsageError
from pylb.runtime.lifecycle import TaskScope
from tests.every import every

FOUND = {"consul": Url("http", "127.0.0.1", 8500), "service": ("web",), "register": "gateway"}


@every(
    ("listen", "given", "expected"),
    [
        (Address("0.0.0.0", 80), None, ("", 80)),
        (Address("::", 80), None, ("", 80)),
        (Address("10.0.0.7", 8080), None, ("10.0.0.7", 8080)),
        (Address("10.0.0.7", 8080), HostPort("lb.example"), ("lb.example", 8080)),
        (Address("10.0.0.7", 8080), HostPort("fd00::1", 80), ("fd00::1", 80)),
        (Address("0.0.0.0", 0), HostPort("10.0.0.7", 80), ("10.0.0.7", 80)),
    ],
)
def test_the_registered_address(listen, given, expected):
    options = Options(**FOUND, listen=(listen,), register_address=given)
    options.check()
    made = identity(options, "gateway")
    assert (made.service, made.address, made.port) == ("gateway", *expected)
    assert made.id.endswith(f":{expected[1]}")


@pytest.mark.parametrize("given", ["http://10.1.2.3", "10.1.2.3:0", "a..b", "[10.1.2.3]"])
def test_an_invalid_address_is_rejected_at_the_start(given):
    arguments = ["--consul", "consul", "--service", "web", "--register", "edge", "--register-address", given]
    with pytest.raises(
        UsageError, match=r"--register-address: got '.*', expected a host, host:port or \[IPv6\]:port"
    ):
        parse(Options, arguments, {})


async def test_without_the_option_nothing_is_registered():
    async with TaskScope("test") as scope, registered(Options(static="a:1"), list, scope) as leave:
        await leave()
        assert not scope.tasks


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"consul": None, "static": "a:1"}, "--register gateway: expected --consul"),
        ({"listen": (Address("0.0.0.0", 0),)}, "--register gateway: expected --listen with a port"),
        ({"service": ("gateway=/x",)}, "--register gateway: expected another name"),
    ],
)
def test_impossible_registrations_are_rejected(changed, words):
    with pytest.raises(UsageError, match=words):
        Options(**{**FOUND, **changed}).check()
