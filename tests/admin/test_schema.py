"""The API matches its OpenAPI document, for arbitrary requests."""

import asyncio
import socket
import threading

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings

from pylb.admin.access import Access
from pylb.admin.app import AdminApp
from pylb.admin.openapi import DOCUMENT
from pylb.model import Endpoint

pytestmark = pytest.mark.slow

EXAMPLES = 15
"""Requests per operation."""

SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)


@pytest.fixture
def url(view, operator, know):
    """The API in a separate event loop, because schemathesis sends requests from the thread of the test."""
    know("web", Endpoint("web", "10.0.0.1", 80, id="web-1"))
    view.samples.take(1.0)
    view.samples.take(2.0)
    loop, stop, listening = asyncio.new_event_loop(), asyncio.Event(), socket.create_server(("127.0.0.1", 0))

    async def serve():
        app = AdminApp(view, operator, Access())
        await app.listen(listening)
        await stop.wait()
        await app.close()
        operator.close()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    loop.call_soon_threadsafe(stop.set)
    thread.join()
    loop.close()


@SCHEMA.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_responses_match_the_document(case, url):
    case.call_and_validate(base_url=url)
