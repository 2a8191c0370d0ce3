"""Keys and values."""

import asyncio
import base64
import time

import pytest

ROOT = "/v1/kv/@"


async def names(api, prefix="", **params):
    reply = await api.get(f"{ROOT}/{prefix}", keys="", **params)
    return reply.content if reply.status == 200 else reply.status


@pytest.fixture
async def tree(api):
    """A registry with some keys under the test's prefix."""
    for key in ("a", "d", "d/1", "d/2", "d/sub/3", "d/sub/4", "e/"):
        assert await api.put(f"{ROOT}/{key}", f"value of {key}") is True
    return api


async def test_put_and_get(api):
    assert await api.put(f"{ROOT}/key", "hello") is True
    reply = await api.get(f"{ROOT}/key")
    (entry,) = reply.content
    assert entry == {
        "LockIndex": 0,
        "Key": "@/key",
        "Flags": 0,
        "Value": base64.b64encode(b"hello").decode(),
        "CreateIndex": entry["ModifyIndex"],
        "ModifyIndex": reply.index,
    }
    assert reply.headers["X-Consul-KnownLeader"] == "true"
    assert "X-Consul-Effective-Consistency" not in reply.headers


async def test_raw(api):
    await api.put(f"{ROOT}/key", bytes(range(128)))
    reply = await api.get(f"{ROOT}/key", raw="")
    assert reply.content.encode() == bytes(range(128))
    assert reply.headers["Content-Type"] == "text/plain"
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert reply.headers["Content-Security-Policy"] == "sandbox"
    assert reply.index


async def test_an_empty_value_is_null(api):
    await api.put(f"{ROOT}/key")
    assert (await api.get(f"{ROOT}/key")).content[0]["Value"] is None
    assert (await api.get(f"{ROOT}/key", raw="")).content == ""


@pytest.mark.parametrize("how", [{}, {"raw": ""}, {"recurse": ""}, {"keys": ""}])
async def test_a_missing_key(api, how):
    reply = await api.get(f"{ROOT}/key", **how)
    assert (reply.status, reply.content) == (404, "")
    assert reply.index >= 1


async def test_a_change_keeps_the_creation_index_and_no_change_keeps_both(api):
    await api.put(f"{ROOT}/key", "1")
    first = (await api.get(f"{ROOT}/key")).content[0]
    assert await api.put(f"{ROOT}/key", "1") is True
    assert (await api.get(f"{ROOT}/key")).content[0] == first
    await api.put(f"{ROOT}/key", "2")
    second = (await api.get(f"{ROOT}/key")).content[0]
    assert second["CreateIndex"] == first["CreateIndex"] < second["ModifyIndex"]
    await api.put(f"{ROOT}/key", "2", flags=7)
    third = (await api.get(f"{ROOT}/key")).content[0]
    assert (third["Flags"], third["ModifyIndex"] > second["ModifyIndex"]) == (7, True)


async def test_flags(api):
    await api.put(f"{ROOT}/key", "1", flags=2**64 - 1)
    assert (await api.get(f"{ROOT}/key")).content[0]["Flags"] == 2**64 - 1


async def test_keys(tree):
    everything = ["@/a", "@/d", "@/d/1", "@/d/2", "@/d/sub/3", "@/d/sub/4", "@/e/"]
    assert await names(tree) == everything
    assert await names(tree, separator="") == everything
    assert await names(tree, separator="/") == ["@/a", "@/d", "@/d/", "@/e/"]
    assert await names(tree, "d/", separator="/") == ["@/d/1", "@/d/2", "@/d/sub/"]
    assert await names(tree, "d", separator="/") == ["@/d", "@/d/"]
    assert await names(tree, separator="su") == ["@/a", "@/d", "@/d/1", "@/d/2", "@/d/su", "@/e/"]
    assert await names(tree, "none") == 404


@pytest.mark.parametrize("how", ["recurse", "recurse=false", "recurse&raw"])
async def test_recurse(tree, how):
    entries = (await tree.get(f"{ROOT}/d/?{how}")).content
    assert [entry["Key"] for entry in entries] == ["@/d/1", "@/d/2", "@/d/sub/3", "@/d/sub/4"]
    assert base64.b64decode(entries[0]["Value"]) == b"value of d/1"


async def test_the_index_of_a_list_is_that_of_its_newest_entry(tree):
    entries = (await tree.get(f"{ROOT}/d/", recurse="")).content
    for how in ("keys", "recurse"):
        reply = await tree.get(f"{ROOT}/d/", **{how: ""})
        assert reply.index == max(entry["ModifyIndex"] for entry in entries)


async def test_delete(tree):
    assert (await tree.call("DELETE", f"{ROOT}/d")).content is True
    assert (await tree.get(f"{ROOT}/d")).status == 404
    assert len(await names(tree)) == 6
    assert (await tree.call("DELETE", f"{ROOT}/d")).content is True, "what is gone is gone"
    assert (await tree.call("DELETE", f"{ROOT}/d/", recurse="")).content is True
    assert await names(tree) == ["@/a", "@/e/"]


async def test_check_and_set(api):
    async def put(value, cas):
        return await api.put(f"{ROOT}/key", value, cas=cas)

    async def index():
        return (await api.get(f"{ROOT}/key")).content[0]["ModifyIndex"]

    assert await put("a", 1) is False
    assert await put("a", 0) is True
    assert await put("b", 0) is False
    assert await put("b", await index() - 1) is False
    assert await put("b", await index()) is True
    assert (await api.get(f"{ROOT}/key", raw="")).content == "b"
    assert (await api.call("DELETE", f"{ROOT}/key", cas=0)).content is False
    assert (await api.call("DELETE", f"{ROOT}/key", cas=await index() - 1)).content is False
    assert (await api.call("DELETE", f"{ROOT}/key", cas=await index())).content is True
    assert (await api.call("DELETE", f"{ROOT}/key", cas=1)).content is True


async def test_a_value_of_512_kib_and_one_byte_more(api):
    assert await api.put(f"{ROOT}/big", b"x" * 524288) is True
    reply = await api.call("PUT", f"{ROOT}/big", b"x" * 524289)
    assert reply.status == 413
    assert reply.content.startswith("Request body(524289 bytes) too large, max size: 524288 bytes. See ")


async def test_keys_of_any_characters(api):
    for key in ("s%20p", "%C3%A9", "q%3F%23", "%3C%3E&", "%25"):
        await api.put(f"{ROOT}/{key}", "x")
    assert await names(api) == ["@/%", "@/<>&", "@/q?#", "@/s p", "@/é"]


@pytest.mark.parametrize("path", ["/v1/kv//@/lead", "/v1/kv/@//double"])
async def test_an_unclean_path_is_redirected(api, path):
    reply = await api.call("PUT", path, "x")
    assert reply.status == 301
    assert reply.headers["Location"].replace(api.prefix, "@") == path.replace("//", "/")


async def test_locks_without_a_session_are_rejected(api):
    unknown = "11111111-2222-3333-4444-555555555555"
    reply = await api.call("PUT", f"{ROOT}/key", "x", acquire=unknown)
    assert (reply.status, reply.content) == (500, f'invalid session "{unknown}"')
    assert await api.put(f"{ROOT}/key", "x", release=unknown) is False


WRITES = {
    "a new value": ("PUT", "d/1", "other"),
    "a new key": ("PUT", "d/new", "x"),
    "a deletion": ("DELETE", "d/2", None),
}


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("how", ["keys", "recurse"])
async def test_a_list_blocks(tree, how, write):
    method, key, value = WRITES[write]
    before = await tree.get(f"{ROOT}/d/", **{how: ""})
    query = tree.get(f"{ROOT}/d/", index=before.index, wait="20s", **{how: ""})
    reply, _ = await asyncio.wait_for(asyncio.gather(query, tree.call(method, f"{ROOT}/{key}", value)), 10)
    assert reply.index > before.index


async def test_a_key_blocks_until_it_changes(tree):
    before = await tree.get(f"{ROOT}/a")
    query = tree.get(f"{ROOT}/a", index=before.index, wait="20s", raw="")
    reply, _ = await asyncio.wait_for(asyncio.gather(query, tree.put(f"{ROOT}/a", "new")), 10)
    assert (reply.content, reply.index > before.index) == ("new", True)


async def test_a_key_blocks_until_it_is_deleted(tree):
    before = await tree.get(f"{ROOT}/a")
    query = tree.get(f"{ROOT}/a", index=before.index, wait="20s")
    reply, _ = await asyncio.wait_for(asyncio.gather(query, tree.call("DELETE", f"{ROOT}/a")), 10)
    assert (reply.status, reply.index > before.index) == (404, True)


async def test_a_missing_key_blocks_until_any_write(tree):
    before = await tree.get(f"{ROOT}/none")
    query = tree.get(f"{ROOT}/none", index=before.index, wait="20s")
    reply, _ = await asyncio.wait_for(asyncio.gather(query, tree.put(f"{ROOT}/a", "new")), 10)
    assert (reply.status, reply.index > before.index) == (404, True)


@pytest.mark.parametrize(
    ("path", "write"),
    [
        ("a", ("a", "value of a")),
        ("a", ("e/", "new")),
        ("d/?recurse", ("a", "new")),
        ("d/?keys", ("a", "new")),
    ],
)
async def test_an_unrelated_write_does_not_end_a_query(tree, path, write):
    before = await tree.get(f"{ROOT}/{path}")
    started = time.monotonic()
    separator = "&" if "?" in path else "?"
    query = tree.get(f"{ROOT}/{path}{separator}index={before.index}&wait=150ms")
    reply, _ = await asyncio.gather(query, tree.put(f"{ROOT}/{write[0]}", write[1]))
    assert time.monotonic() - started >= 0.15
    assert (reply.index, reply.content) == (before.index, before.content)
