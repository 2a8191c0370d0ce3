"""What is registered is read back, everywhere and in full."""

import pytest

from tests.contract.api import comparable

FULL = {
    "ID": "@api-1",
    "Name": "@api",
    "Tags": ["b", "a", "b"],
    "Address": "10.0.0.1",
    "Port": 8080,
    "Meta": {"version": "2", "k-k_k": ""},
    "Weights": {"Passing": 5, "Warning": 2},
    "EnableTagOverride": True,
    "TaggedAddresses": {"lan": {"address": "10.0.0.2", "port": 1}, "wan": {"Address": "5.6.7.8", "Port": 2}},
    "Check": {"Name": "first", "TTL": "10m", "Status": "passing", "Notes": "wind me up"},
    "Checks": [
        {
            "CheckID": "@mine",
            "Name": "second",
            "HTTP": "http://127.0.0.1:1/",
            "Interval": "10m",
            "Timeout": "1s",
            "Method": "POST",
            "Header": {"X": ["1", "2"]},
            "Body": "hi",
            "TLSSkipVerify": True,
            "Status": "warning",
            "DeregisterCriticalServiceAfter": "90m",
            "SuccessBeforePassing": 3,
            "FailuresBeforeCritical": 3,
        },
        {"TTL": 600_000_000_000},
    ],
}
ADDRESSES = {
    "lan": {"Address": "10.0.0.2", "Port": 1},
    "lan_ipv4": {"Address": "10.0.0.1", "Port": 8080},
    "wan": {"Address": "5.6.7.8", "Port": 2},
    "wan_ipv4": {"Address": "10.0.0.1", "Port": 8080},
}
NODE_ADDRESSES = dict.fromkeys(("lan", "lan_ipv4", "wan", "wan_ipv4"), "127.0.0.1")
SERF_HEALTH = {
    "CheckID": "serfHealth",
    "Name": "Serf Health Status",
    "Status": "passing",
    "Notes": "",
    "Output": "Agent alive and reachable",
    "ServiceID": "",
    "ServiceName": "",
    "ServiceTags": [],
    "Type": "",
    "Definition": {},
}


def check(check_id, name, status, kind, notes=""):
    return {
        "CheckID": check_id,
        "Name": name,
        "Status": status,
        "Notes": notes,
        "Output": "",
        "ServiceID": "@api-1",
        "ServiceName": "@api",
        "ServiceTags": ["b", "a", "b"],
        "Type": kind,
        "Definition": {},
    }


CHECKS = [
    check("@mine", "second", "warning", "http"),
    check("service:@api-1:1", "first", "passing", "ttl", "wind me up"),
    check("service:@api-1:3", "Service '@api' check", "critical", "ttl"),
]


@pytest.fixture
async def full(api):
    await api.register(FULL)
    await api.catalogued("@api")
    return api


async def test_agent_services_and_service(full):
    expected = {
        "ID": "@api-1",
        "Service": "@api",
        "Tags": ["b", "a", "b"],
        "Meta": {"version": "2", "k-k_k": ""},
        "Port": 8080,
        "Address": "10.0.0.1",
        "TaggedAddresses": ADDRESSES,
        "Weights": {"Passing": 5, "Warning": 2},
        "EnableTagOverride": True,
    }
    assert (await full.get("/v1/agent/services")).content["@api-1"] == expected
    one = await full.get("/v1/agent/service/@api-1")
    assert comparable(one.content) == expected
    assert one.content["ContentHash"] == one.headers["X-Consul-ContentHash"]


async def test_agent_checks(full):
    checks = (await full.get("/v1/agent/checks")).content
    assert [comparable(c) for c in checks.values() if c["ServiceID"] == "@api-1"] == CHECKS


async def test_health_service(full):
    (entry,) = (await full.health("@api")).content
    assert comparable(entry) == {
        "Node": {
            "Datacenter": "dc1",
            "Address": "127.0.0.1",
            "TaggedAddresses": NODE_ADDRESSES,
            "Meta": {"consul-network-segment": ""},
        },
        "Service": {
            "ID": "@api-1",
            "Service": "@api",
            "Tags": ["b", "a", "b"],
            "Address": "10.0.0.1",
            "TaggedAddresses": ADDRESSES,
            "Meta": {"version": "2", "k-k_k": ""},
            "Port": 8080,
            "Weights": {"Passing": 5, "Warning": 2},
            "EnableTagOverride": True,
            "Proxy": {"MeshGateway": {}, "Expose": {}},
            "Connect": {},
        },
        "Checks": [SERF_HEALTH, *CHECKS],
    }


async def test_catalog_service(full):
    (entry,) = (await full.get("/v1/catalog/service/@api")).content
    assert comparable(entry) == {
        "Address": "127.0.0.1",
        "Datacenter": "dc1",
        "TaggedAddresses": NODE_ADDRESSES,
        "NodeMeta": {"consul-network-segment": ""},
        "ServiceKind": "",
        "ServiceID": "@api-1",
        "ServiceName": "@api",
        "ServiceTags": ["b", "a", "b"],
        "ServiceAddress": "10.0.0.1",
        "ServiceTaggedAddresses": ADDRESSES,
        "ServiceWeights": {"Passing": 5, "Warning": 2},
        "ServiceMeta": {"version": "2", "k-k_k": ""},
        "ServicePort": 8080,
        "ServiceEnableTagOverride": True,
        "ServiceProxy": {"MeshGateway": {}, "Expose": {}},
        "ServiceConnect": {},
    }


async def test_health_checks_state_and_node(full):
    assert comparable((await full.get("/v1/health/checks/@api")).content) == CHECKS
    node = (await full.get("/v1/agent/self")).content["Config"]["NodeName"]
    for path in ("/v1/health/state/any", f"/v1/health/node/{node}"):
        found = comparable((await full.get(path)).content)
        assert [c for c in found if c["ServiceID"] in ("@api-1", "")] == sorted(
            [SERF_HEALTH, *CHECKS], key=lambda c: c["CheckID"]
        )
    for state in ("passing", "warning", "critical"):
        found = comparable((await full.get(f"/v1/health/state/{state}")).content)
        assert [c for c in found if c["ServiceID"] == "@api-1"] == [c for c in CHECKS if c["Status"] == state]


async def test_catalog_services_lists_each_tag_once(full):
    await full.register({"Name": "@api", "ID": "@api-2", "Tags": ["c", "a"]})
    await full.catalogued("@api", 2)
    services = (await full.get("/v1/catalog/services")).content
    assert sorted(services["@api"]) == ["a", "b", "c"]
    assert services["consul"] == []


async def test_a_minimal_registration(api):
    await api.register({"Name": "@web"})
    (entry,) = (await api.catalogued()).content
    assert comparable(entry["Service"]) == {
        "ID": "@web",
        "Service": "@web",
        "Tags": [],
        "Address": "",
        "Meta": None,
        "Port": 0,
        "Weights": {"Passing": 1, "Warning": 1},
        "EnableTagOverride": False,
        "Proxy": {"MeshGateway": {}, "Expose": {}},
        "Connect": {},
    }
    assert comparable(entry["Checks"]) == [SERF_HEALTH]
    assert (await api.get("/v1/agent/services")).content["@web"] == {
        "ID": "@web",
        "Service": "@web",
        "Tags": [],
        "Meta": {},
        "Port": 0,
        "Address": "",
        "Weights": {"Passing": 1, "Warning": 1},
        "EnableTagOverride": False,
    }
    (catalogued,) = (await api.get("/v1/catalog/service/@web")).content
    assert (catalogued["ServiceMeta"], "ServiceTaggedAddresses" in catalogued) == ({}, False)


async def test_tagged_addresses_depend_on_the_kind_of_address(api):
    await api.register({"Name": "@v6", "Address": "fe80::1", "Port": 5})
    await api.register({"Name": "@host", "Address": "web.test", "Port": 5})
    services = (await api.get("/v1/agent/services")).content
    address = {"Address": "fe80::1", "Port": 5}
    assert services["@v6"]["TaggedAddresses"] == {"lan_ipv6": address, "wan_ipv6": address}
    assert "TaggedAddresses" not in services["@host"]


async def test_field_names_are_case_insensitive_and_may_have_underscores(api):
    await api.register(
        {
            "name": "@web",
            "PORT": 80,
            "enable_tag_override": True,
            "tagged_addresses": {"lan": {"address": "10.0.0.9", "port": 9}},
            "check": {
                "ttl": "10m",
                "deregister_critical_service_after": "2m",
                "tls_skip_verify": True,
                "Service_ID": "another",
            },
        }
    )
    (entry,) = (await api.catalogued()).content
    service = entry["Service"]
    assert (service["Port"], service["EnableTagOverride"]) == (80, True)
    assert service["TaggedAddresses"] == {"lan": {"Address": "10.0.0.9", "Port": 9}}
    assert [c["CheckID"] for c in entry["Checks"]] == ["serfHealth", "service:@web"]


@pytest.mark.parametrize(
    "body",
    [
        '{"Name": "@web", "Tags": null, "Meta": null, "Check": null, "Weights": null}',
        '{"Name": "@web"} and what follows the value',
        '{"Name": "@first", "Name": "@web"}',
        '{"Name": "@web", "Check": {}, "Checks": [], "Proxy": {}, "Connect": {}, "Kind": "", "Token": "t"}',
        '{"Name": "@web", "Check": {"TTL": "0s"}}',
    ],
)
async def test_null_and_missing_fields(api, body):
    await api.register(body)
    await api.catalogued()
    assert (await api.get("/v1/agent/services")).content["@web"]["Weights"] == {"Passing": 1, "Warning": 1}
    assert await api.statuses() == {}


async def test_the_content_type_is_ignored(api):
    """`curl -X PUT -d` sends the content type of a form."""
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    reply = await api.call("PUT", "/v1/agent/service/register", {"Name": "@web", "Port": 80}, headers=form)
    assert (reply.status, reply.content) == (200, "")
    await api.catalogued()


async def test_a_missing_weight_has_a_default(api):
    await api.register({"Name": "@web", "Weights": {"Passing": 3}})
    assert (await api.get("/v1/agent/service/@web")).content["Weights"] == {"Passing": 3, "Warning": 0}


async def test_instances_are_sorted_by_id(api):
    for name in ("@B", "@c", "@a"):
        await api.register({"Name": "@web", "ID": name})
    reply = await api.catalogued(instances=3)
    assert [e["Service"]["ID"] for e in reply.content] == ["@a", "@B", "@c"]


async def test_service_names_are_case_insensitive(api):
    await api.register({"Name": "@Web", "ID": "@w"})
    reply = await api.catalogued("@wEB")
    assert reply.content[0]["Service"]["Service"] == "@Web"
    assert (await api.get("/v1/agent/service/@W")).status == 404


async def test_a_change_keeps_the_creation_index(api):
    await api.register({"Name": "@web", "Port": 1})
    before = (await api.catalogued()).content[0]["Service"]
    await api.register({"Name": "@web", "Port": 2})
    reply = await api.until(api.health, lambda r: r.content[0]["Service"]["Port"] == 2)
    after = reply.content[0]["Service"]
    assert after["CreateIndex"] == before["CreateIndex"] == before["ModifyIndex"]
    assert after["ModifyIndex"] == reply.index > before["ModifyIndex"]


async def test_an_identical_registration_changes_nothing(api):
    body = {"Name": "@web", "Port": 1, "Check": {"TTL": "10m"}}
    await api.register(body)
    before = await api.catalogued()
    await api.register(body)
    await api.register({"Name": "@other"})
    await api.catalogued("@other")
    after = await api.health()
    assert (after.index, after.content) == (before.index, before.content)


async def test_registering_again_keeps_statuses_and_other_checks(api):
    await api.register({"Name": "@web", "Check": {"CheckID": "@t", "TTL": "10m"}})
    await api.put("/v1/agent/check/pass/@t", note="fine")
    await api.register({"Name": "@web", "Check": {"CheckID": "@u", "TTL": "10m", "Status": "warning"}})
    await api.register({"Name": "@web", "Check": {"CheckID": "@t", "TTL": "10m", "Status": "critical"}})
    await api.until(api.statuses, {"@t": ("passing", "fine"), "@u": ("warning", "")})


@pytest.mark.parametrize(("value", "replaced"), [("true", True), ("", True), ("1", False), ("false", False)])
async def test_replace_existing_checks(api, value, replaced):
    await api.register({"Name": "@web", "Checks": [{"CheckID": f"@{i}", "TTL": "10m"} for i in "ab"]})
    await api.put("/v1/agent/service/maintenance/@web", enable="true")
    await api.until(api.statuses, lambda found: len(found) == 3)
    body = {"Name": "@web", "Port": 1, "Check": {"CheckID": "@b", "TTL": "10m"}}
    await api.register(body, **{"replace-existing-checks": value})
    await api.until(api.health, lambda r: r.content[0]["Service"]["Port"] == 1)
    await api.until(api.statuses, lambda found: len(found) == (1 if replaced else 3))


async def test_an_id_can_move_to_another_service(api):
    await api.register({"Name": "@old", "ID": "@1"})
    created = (await api.catalogued("@old")).content[0]["Service"]["CreateIndex"]
    await api.register({"Name": "@new", "ID": "@1"})
    reply = await api.catalogued("@new")
    assert reply.content[0]["Service"]["CreateIndex"] == created
    assert (await api.health("@old")).content == []
    assert "@old" not in (await api.get("/v1/catalog/services")).content


async def test_a_check_has_the_tags_of_its_service_at_its_last_write(api):
    def tags(check):
        return check["ServiceTags"]

    await api.register({"Name": "@web", "Tags": ["old"], "Check": {"CheckID": "@t", "TTL": "10m"}})
    await api.catalogued()
    await api.register({"Name": "@web", "Tags": ["new"]})
    reply = await api.until(api.health, lambda r: r.content[0]["Service"]["Tags"] == ["new"])
    assert tags(reply.content[0]["Checks"][1]) == ["old"]
    await api.put("/v1/agent/check/pass/@t")
    reply = await api.until(api.health, lambda r: r.content[0]["Checks"][1]["Status"] == "passing")
    assert tags(reply.content[0]["Checks"][1]) == ["new"]
    assert tags((await api.get("/v1/agent/checks")).content["@t"]) == ["old"]


async def test_deregister_removes_the_service_with_its_checks(api):
    await api.register({"Name": "@web", "Check": {"CheckID": "@t", "TTL": "10m"}})
    await api.catalogued()
    await api.put("/v1/agent/service/deregister/@web")
    await api.catalogued(instances=0)
    assert await api.statuses() == {}
    assert "@t" not in (await api.get("/v1/agent/checks")).content
    assert (await api.get("/v1/agent/service/@web")).status == 404
    assert "@web" not in (await api.get("/v1/catalog/services")).content
    assert (await api.get("/v1/catalog/service/@web")).content == []


async def test_ids_with_slashes_and_spaces(api):
    await api.register({"Name": "@web", "ID": "@host:web 1/80"})
    await api.catalogued()
    assert (await api.get("/v1/agent/service/@host:web%201/80")).content["ID"] == "@host:web 1/80"
    await api.put("/v1/agent/service/deregister/@host:web%201%2F80")
    await api.catalogued(instances=0)
