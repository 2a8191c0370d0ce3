"""What the contract leaves to each registry."""


async def register(session, url, **fields):
    async with session.put(f"{url}/v1/agent/service/register", json={"Name": "web", **fields}) as answer:
        assert answer.status == 200


async def content_hash(session, url):
    async with session.get(f"{url}/v1/agent/service/web") as answer:
        return (await answer.json())["ContentHash"]


async def test_the_hash_of_a_service_changes_when_the_service_does(session, url):
    await register(session, url, Port=1)
    first = await content_hash(session, url)
    await register(session, url, Port=1)
    assert await content_hash(session, url) == first
    await register(session, url, Port=2)
    assert await content_hash(session, url) != first


async def test_self_counts_services_and_checks(session, url):
    await register(session, url, Checks=[{"TTL": "10m"}, {"TTL": "10m"}])
    async with session.get(f"{url}/v1/agent/self") as answer:
        assert (await answer.json())["Stats"]["agent"] == {"checks": "2", "services": "1"}


async def test_self_names_the_leader_of_the_cluster(session, url):
    async with session.get(f"{url}/v1/status/leader") as answer:
        leader = await answer.json()
    async with session.get(f"{url}/v1/agent/self") as answer:
        assert (await answer.json())["Stats"]["consul"]["leader_addr"] == leader
