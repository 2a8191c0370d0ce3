import re

import pytest

from pylb.tools.demo.webservice import WebService


@pytest.fixture
async def web(aiohttp_client):
    return await aiohttp_client(WebService("web-7").app())


LINE = r"\d\d:\d\d:\d\d request {number} for {client}, answered by web-7 at 127\.0\.0\.1:{port}\n"


def line(web, number, client=r"127\.0\.0\.1"):
    return LINE.format(number=number, client=client, port=web.port)


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "PURGE"])
@pytest.mark.parametrize("path", ["/", "/any/path?x=1", "/healthy"])
async def test_every_request_is_answered_with_the_line(web, method, path):
    answer = await web.request(method, path, data=b"body" if method == "POST" else None)
    assert answer.status == 200
    assert answer.content_type == "text/plain"
    assert re.fullmatch(line(web, 1), await answer.text())


async def test_requests_are_counted_and_health_checks_are_not(web):
    for path in ("/", "/health", "/headers", "/status/500", "/status/204", "/health"):
        await web.get(path)
    assert re.fullmatch(line(web, 5), await (await web.get("/")).text())


@pytest.mark.parametrize(
    ("forwarded", "client"), [("192.0.2.1", "192.0.2.1"), ("2001:db8::1, 10.0.0.1", "2001:db8::1")]
)
async def test_the_client_is_taken_from_x_forwarded_for(web, forwarded, client):
    answer = await web.get("/", headers={"X-Forwarded-For": forwarded})
    assert re.fullmatch(line(web, 1, client), await answer.text())


async def test_a_browser_receives_a_page_with_escaped_text(web):
    headers = {"Accept": "text/html,*/*;q=0.8", "X-Forwarded-For": "<script>"}
    answer = await web.get("/", headers=headers)
    page = await answer.text()
    assert answer.content_type == "text/html"
    assert answer.headers["Vary"] == "Accept"
    assert page.startswith("<!doctype html>")
    assert "<h1>web-7</h1>" in page
    assert "request 1 for &lt;script&gt;, answered by web-7" in page


async def test_a_health_check_is_answered_and_its_connection_closed(web):
    answer = await web.get("/health")
    assert (answer.status, await answer.text()) == (200, "ok\n")
    assert answer.headers["Connection"] == "close"


@pytest.mark.parametrize("code", [200, 204, 304, 404, 503, 599])
async def test_the_status_is_taken_from_the_path(web, code):
    answer = await web.get(f"/status/{code}")
    assert answer.status == code
    assert bool(await answer.text()) is (code not in {204, 304})


async def test_slow_waits_for_the_given_time(web):
    import time

    begun = time.monotonic()
    answer = await web.get("/slow?seconds=0.05")
    assert re.fullmatch(line(web, 1), await answer.text())
    assert time.monotonic() - begun >= 0.05


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/slow?seconds=x", "seconds: got 'x', expected a number from 0 to 60\n"),
        ("/slow?seconds=nan", "seconds: got 'nan', expected a number from 0 to 60\n"),
        ("/slow?seconds=61", "seconds: got '61', expected a number from 0 to 60\n"),
        ("/slow?seconds=-1", "seconds: got '-1', expected a number from 0 to 60\n"),
        ("/status/199", "status: got '199', expected a number from 200 to 599\n"),
        ("/status/x", "status: got 'x', expected a number from 200 to 599\n"),
    ],
)
async def test_an_invalid_number_is_rejected_in_one_line(web, path, words):
    answer = await web.get(path)
    assert (answer.status, await answer.text()) == (400, words)


async def test_headers_are_returned_as_received(web):
    answer = await web.get("/headers?a=%20b", headers={"X-Mixed-CASE": "v"})
    lines = (await answer.text()).splitlines()
    assert lines[0] == "GET /headers?a=%20b HTTP/1.1"
    assert "X-Mixed-CASE: v" in lines
