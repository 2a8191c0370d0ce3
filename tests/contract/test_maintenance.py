"""Taking a service or the node out of use, and back."""

import pytest

from tests.contract.api import comparable

NO_REASON = "Maintenance mode is enabled for this {}, but no reason was provided. This is a default message."


@pytest.fixture
async def web(api):
    await api.register({"Name": "@web", "ID": "@1", "Tags": ["a"]})
    await api.register({"Name": "@web", "ID": "@2"})
    await api.catalogued(instances=2)
    yield api
    await api.put("/v1/agent/maintenance", enable="false")


async def passing(api):
    return [entry["Service"]["ID"] for entry in (await api.health(passing="")).content]


async def test_maintenance_of_a_service(web):
    await web.put("/v1/agent/service/maintenance/@1", enable="true", reason="new disk & more")
    await web.until(lambda: passing(web), ["@2"])
    (check,) = (await web.get("/v1/health/checks/@web")).content
    assert comparable(check) == {
        "CheckID": "_service_maintenance:@1",
        "Name": "Service Maintenance Mode",
        "Status": "critical",
        "Notes": "new disk & more",
        "Output": "",
        "ServiceID": "@1",
        "ServiceName": "@web",
        "ServiceTags": ["a"],
        "Type": "maintenance",
        "Definition": {},
    }
    await web.put("/v1/agent/service/maintenance/@1", enable="false")
    await web.until(lambda: passing(web), ["@1", "@2"])


async def test_maintenance_of_the_node(web):
    await web.put("/v1/agent/maintenance", enable="true", reason="new kernel")
    await web.until(lambda: passing(web), [])
    checks = (await web.health()).content[0]["Checks"]
    assert [comparable(check) for check in checks if check["Type"] == "maintenance"] == [
        {
            "CheckID": "_node_maintenance",
            "Name": "Node Maintenance Mode",
            "Status": "critical",
            "Notes": "new kernel",
            "Output": "",
            "ServiceID": "",
            "ServiceName": "",
            "ServiceTags": [],
            "Type": "maintenance",
            "Definition": {},
        }
    ]
    await web.put("/v1/agent/maintenance", enable="false")
    await web.until(lambda: passing(web), ["@1", "@2"])


@pytest.mark.parametrize("text", ["true", "1", "t", "T", "TRUE", "True"])
async def test_accepted_values_of_enable(web, text):
    await web.put("/v1/agent/service/maintenance/@1", enable=text)
    await web.until(lambda: passing(web), ["@2"])


async def test_maintenance_without_a_reason(web):
    await web.put("/v1/agent/service/maintenance/@1", enable="true")
    await web.put("/v1/agent/maintenance", enable="true")
    checks = (await web.get("/v1/agent/checks")).content
    assert checks["_service_maintenance:@1"]["Notes"] == NO_REASON.format("service")
    assert checks["_node_maintenance"]["Notes"] == NO_REASON.format("node")


async def test_enabling_twice_keeps_the_first_reason_and_disabling_twice_is_no_error(web):
    for reason in ("first", "second"):
        await web.put("/v1/agent/service/maintenance/@1", enable="true", reason=reason)
    checks = (await web.get("/v1/agent/checks")).content
    assert checks["_service_maintenance:@1"]["Notes"] == "first"
    for _ in range(2):
        await web.put("/v1/agent/service/maintenance/@1", enable="false")
    assert "_service_maintenance:@1" not in (await web.get("/v1/agent/checks")).content


async def test_maintenance_persists_across_a_registration(web):
    await web.put("/v1/agent/service/maintenance/@1", enable="true")
    await web.until(lambda: passing(web), ["@2"])
    await web.register({"Name": "@web", "ID": "@1", "Port": 9})
    await web.until(web.health, lambda r: r.content[0]["Service"]["Port"] == 9)
    assert await passing(web) == ["@2"]
