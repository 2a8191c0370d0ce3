import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pylb.registry.embedded.definitions import (
    CheckDefinition,
    RequestError,
    Service,
    ServiceAddress,
    check_from_json,
    service_from_json,
    update_from_json,
)


def service(**fields):
    return service_from_json(json.dumps({"Name": "web", **fields}).encode())


def test_defaults():
    assert service() == (Service(id="web", name="web"), [])


def test_a_service_with_checks():
    found, checks = service(
        ID="web-1",
        Address="::1",
        Port=80,
        Weights={"Passing": 2},
        Check={"TTL": "5s"},
        Checks=[{"CheckID": "mine", "Name": "named", "TCP": "127.0.0.1:80", "Interval": 1_500_000_000}],
    )
    address = ServiceAddress("::1", 80)
    assert found.tagged_addresses == {"lan_ipv6": address, "wan_ipv6": address}
    assert (found.passing_weight, found.warning_weight) == (2, 0)
    assert checks == [
        CheckDefinition(id="service:web-1:1", name="Service 'web' check", service_id="web-1", ttl=5.0),
        CheckDefinition(id="mine", name="named", service_id="web-1", tcp="127.0.0.1:80", interval=1.5),
    ]
    assert [check.type for check in checks] == ["ttl", "tcp"]


def test_an_address_given_by_name_is_kept():
    found, _ = service(Address="10.0.0.1", Port=80, TaggedAddresses={"lan_ipv4": {"Address": "10.0.0.2"}})
    assert found.tagged_addresses == {
        "lan_ipv4": ServiceAddress("10.0.0.2", 0),
        "wan_ipv4": ServiceAddress("10.0.0.1", 80),
    }


@pytest.mark.parametrize(
    "name", ["GRPC", "AliasService", "AliasNode", "DockerContainerID", "docker_container_id"]
)
def test_unsupported_checks_are_rejected_by_name(name):
    with pytest.raises(RequestError, match="runs TTL, HTTP and TCP checks, not ") as rejection:
        service(Check={name: "x", "Interval": "5s"})
    assert name.replace("_", "").lower() in str(rejection.value).lower()


def test_service_mesh_settings_are_rejected():
    with pytest.raises(
        RequestError, match="expected none, as the embedded registry has no mesh; got 'connect-proxy'"
    ):
        service(Kind="connect-proxy")


def test_a_check_and_an_update():
    check = check_from_json(
        b'{"Name": "disk", "HTTP": "http://127.0.0.1/", "Interval": "1m", "Status": "passing"}'
    )
    assert check == CheckDefinition(
        id="disk", name="disk", http="http://127.0.0.1/", interval=60.0, status="passing"
    )
    assert update_from_json(b'{"Status": "warning", "Output": "full"}') == ("warning", "full")


FIELDS = [
    "ID",
    "Port",
    "Tags",
    "Meta",
    "Weights",
    "Check",
    "Checks",
    "Address",
    "TTL",
    "Interval",
    "HTTP",
    "Status",
]
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 70000)
    | st.sampled_from(["", "5s", "passing", "::", "x", "-1h"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from([*FIELDS, "Passing"]), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=5))
def test_any_definition_is_accepted_or_rejected_with_a_reason(fields):
    for read in (service_from_json, check_from_json, update_from_json):
        try:
            read(json.dumps({"Name": "web", **fields}).encode())
        except RequestError as rejection:
            reason = rejection
            assert (reason.status in (400, 500), bool(str(reason))) == (True, True)
