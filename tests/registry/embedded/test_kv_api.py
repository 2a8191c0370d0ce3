"""Values are bytes; the contract compares text."""

import base64

VALUE = bytes(range(256)) * 2


async def test_any_bytes_are_returned_unchanged(session, url):
    async with session.put(f"{url}/v1/kv/key", data=VALUE) as answer:
        assert await answer.json() is True
    async with session.get(f"{url}/v1/kv/key?raw") as answer:
        assert await answer.read() == VALUE
    async with session.get(f"{url}/v1/kv/key") as answer:
        assert base64.b64decode((await answer.json())[0]["Value"]) == VALUE


async def test_a_chunked_body_is_limited_too(session, url):
    async def chunks():
        for _ in range(9):
            yield b"x" * 65536

    async with session.put(f"{url}/v1/kv/key", data=chunks()) as answer:
        assert answer.status == 413
