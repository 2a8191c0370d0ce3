from pylb.admin.api import Api
from pylb.admin.openapi import DOCUMENT


def test_the_document_describes_exactly_the_routes(view, operator):
    routes = {(route.path, route.method.lower()) for route in Api(view, operator, 1).routes()}
    described = {(path, method) for path, methods in DOCUMENT["paths"].items() for method in methods}
    assert routes - described == {("/api/events", "get"), ("/api/openapi.json", "get")}, "no JSON documents"
    assert described <= routes
