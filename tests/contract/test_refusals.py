"""Both registries reject the same requests, with the same status and message."""

import re

import pytest

pytestmark = pytest.mark.slow

REGISTER, CHECK, UPDATE = (
    "/v1/agent/service/register",
    "/v1/agent/check/register",
    "/v1/agent/check/update/@t",
)
HTTP = '"HTTP": "http://127.0.0.1:1/"'


def service(rest):
    return f'{{"Name": "@web", {rest}}}'


def service_check(rest):
    return service(f'"Check": {{{rest}}}')


def check(rest):
    return f'{{"Name": "@c", {rest}}}'


SERVICES = [
    *("", "   ", "x", "{", "[1, 2", '{"Name": "@web"', "[]", "5", "true", '"x"', "null", "{}"),
    *('{"Name": ""}', '{"Name": "@web",}', "{Name: 1}", "{'Name': 1}", '{"Name" "@web"}', '{"Name":}'),
    *('{"Name": "@web" "Port": 1}', '{"Name": "a\nb"}', '{"Name": "a\\x"}', '{"Name": 5}', '{"ID": 5}'),
    *(service(f'"{name}": 1') for name in ("Foo", "Service", "service_id", "Namespace", "ModifyIndex")),
    *(service(f'"Port": {port}') for port in ('"80"', "1.5", "true", "99999999999999999999")),
    *(service(f'"Tags": {tags}') for tags in ('"x"', "[1]", "{}")),
    *(service(f'"Address": "{address}"') for address in ("0.0.0.0", "::")),
    *(service(f'"EnableTagOverride": {value}') for value in ('"x"', "1")),
    service('"TaggedAddresses": {"lan": "10.0.0.1"}'),
    service('"Meta": {"k": 1}'),
    service('"Meta": []'),
    service('"Meta": {"": "x"}'),
    service('"Meta": {"a b": "x"}'),
    service('"Meta": {"consul-x": "x"}'),
    service(f'"Meta": {{"{"k" * 129}": "x"}}'),
    service(f'"Meta": {{"k": "{"v" * 513}"}}'),
    service('"Meta": {' + ", ".join(f'"k{i}": ""' for i in range(65)) + "}"),
    *(
        service(f'"Weights": {{"Passing": {p}, "Warning": {w}}}')
        for p, w in ((0, 0), (-1, 1), (1, -1), (65536, 1))
    ),
    *(service(f'"Weights": {weights}') for weights in ("{}", '{"Warning": 3}', "5", '{"Passing": "x"}')),
    service('"Checks": {}'),
    service('"Checks": [{}]'),
    service('"Check": []'),
    service('"Check": "x"'),
    service_check('"Name": "n"'),
    service_check(HTTP),
    service_check('"TCP": "127.0.0.1:1"'),
    *(
        service_check(f'{HTTP}, "Interval": {value}')
        for value in ('"0s"', '"-5s"', "true", '"x"', '"1"', '""')
    ),
    *(service_check(f'"TTL": {value}') for value in ('"-1s"', '"x"', '"1"', '"1 s"', '"1s2"', '"s"')),
    service_check('"TTL": "5s", "Interval": "5s"'),
    service_check(f'"TTL": "5s", {HTTP}'),
    service_check('"TTL": "5s", "Status": "bogus"'),
    service_check('"TTL": "5s", "OutputMaxSize": -1'),
    service_check('"Args": ["true"], "Interval": "5s"'),
    *(
        service_check(f'"TTL": "5s", "{name}": "x"')
        for name in ("Foo", "ID", "Token", "Output", "Type", "check_id")
    ),
    service_check('"Script": "true", "Interval": "5s"'),
    service_check(f'{HTTP}, "Interval": "5s", "Header": {{"a": "b"}}'),
    service_check(f'{HTTP}, "Interval": "5s", "Header": ["a"]'),
    service_check(f'{HTTP}, "Interval": "5s", "Method": 5'),
    service_check(f'{HTTP}, "Interval": "5s", "TLSSkipVerify": "x"'),
]
CHECKS = [
    *("", "{}", '{"TTL": "5s"}', "[]"),
    check('"Notes": "no way to check"'),
    check('"Interval": "5s"'),
    check('"TTL": "5s", "ServiceID": "@none"'),
    check('"TTL": "5s", "Status": "bogus"'),
    check(HTTP),
    *(check(f'"TTL": "5s", "{name}": "x"') for name in ("CheckID", "Foo", "Type", "Node", "Output")),
]
UPDATES = ["", "x", "[]", "{}", '{"Status": "bogus"}', '{"Status": 5}', '{"Status": "passing", "Foo": 1}']
REQUESTS = [
    *(("PUT", REGISTER, body) for body in SERVICES),
    *(("PUT", CHECK, body) for body in CHECKS),
    *(("PUT", UPDATE, body) for body in UPDATES),
    *(("PUT", f"/v1/agent/check/{verb}/@none", None) for verb in ("pass", "warn", "fail")),
    ("PUT", "/v1/agent/check/pass/", None),
    ("PUT", "/v1/agent/check/update/@none", '{"Status": "passing"}'),
    ("PUT", "/v1/agent/service/deregister/", None),
    ("PUT", "/v1/agent/check/deregister/", None),
    ("PUT", "/v1/agent/service/deregister/@none", None),
    ("PUT", "/v1/agent/check/deregister/@none", None),
    ("PUT", "/v1/agent/service/maintenance/", None),
    ("PUT", "/v1/agent/service/maintenance/@none", None),
    ("PUT", "/v1/agent/service/maintenance/@none?enable=true", None),
    ("PUT", "/v1/agent/service/maintenance/@web?enable=", None),
    ("PUT", "/v1/agent/service/maintenance/@web?enable=maybe", None),
    ("PUT", "/v1/agent/maintenance", None),
    ("PUT", "/v1/agent/maintenance?enable=yes", None),
    ("GET", "/v1/agent/service/@none", None),
    ("GET", "/v1/agent/service/", None),
    ("GET", "/v1/health/service/", None),
    ("GET", "/v1/health/checks/", None),
    ("GET", "/v1/health/state/", None),
    ("GET", "/v1/health/node/", None),
    ("GET", "/v1/catalog/service/", None),
    *(
        ("GET", f"/v1/health/service/@web?{query}", None)
        for query in (
            *("index=x", "index=-1", "index=1.5", "wait=x", "wait=5", "index=9&wait=x", "passing=maybe"),
            *("stale&consistent", "max_stale=x", "max_stale=1s&consistent", "cached&consistent"),
            *("dc=elsewhere", "ns=team"),
        )
    ),
    ("GET", "/v1/catalog/services?dc=elsewhere", None),
    ("GET", "/v1/kv/@key?dc=elsewhere", None),
    ("GET", "/v1/kv/", None),
    ("GET", "/v1/kv/?raw", None),
    ("PUT", "/v1/kv/", "x"),
    ("PUT", "/v1/kv/@key?dc=elsewhere", "x"),
    ("DELETE", "/v1/kv/", None),
    *(("PUT", f"/v1/kv/@key?flags={flags}", "x") for flags in ("x", "-1", "", "18446744073709551616")),
    *(("PUT", f"/v1/kv/@key?cas={cas}", "x") for cas in ("x", "-1", "")),
    ("PUT", "/v1/kv/@key?acquire=short", "x"),
    ("PUT", "/v1/kv/@key?cas=1&acquire=x", "x"),
    ("DELETE", "/v1/kv/@key?cas=x", None),
    ("DELETE", "/v1/kv/@key?recurse&cas=1", None),
    ("GET", REGISTER, None),
    ("GET", "/v1/agent/service/deregister/@web", None),
    ("GET", "/v1/agent/service/maintenance/@web?enable=true", None),
    ("GET", "/v1/agent/check/pass/@t", None),
    ("POST", "/v1/agent/services", None),
    ("POST", "/v1/kv/@key", "x"),
    ("PUT", "/v1/health/service/@web", None),
    ("DELETE", "/v1/catalog/services", None),
    ("HEAD", "/v1/agent/services", None),
    ("OPTIONS", "/v1/agent/services", None),
    ("OPTIONS", "/v1/kv/@key", None),
    ("GET", "/v1/unheard-of", None),
    ("GET", "/unheard-of", None),
]


def words(text):
    """An answer without the names of types that exist in Consul's source only."""
    return re.sub(r"of type (struct|structs\.CheckType|object).*", "of type ...", text, flags=re.DOTALL)


@pytest.mark.parametrize(("method", "path", "body"), REQUESTS)
async def test_rejections_are_identical(devserver, real, method, path, body):
    replies = []
    for api in (real, devserver):
        await api.register({"Name": "@web", "Check": {"CheckID": "@t", "TTL": "10m"}})
        replies.append(await api.call(method, path, body))
    expected, got = replies
    assert (got.status, words(got.content)) == (expected.status, words(expected.content))
    assert got.headers.get("Allow") == expected.headers.get("Allow")
