from dataclasses import replace

import pytest

from pylb.admin.routes import MOST_ROWS, routes
from pylb.routes.declaration import declare
from pylb.routes.grammar import parse_service
from pylb.routes.table import RouteTable


@pytest.fixture
def view_of(view):
    def made(*texts):
        table = RouteTable(declare([parse_service(text, "--service") for text in texts]))
        return replace(view, table=lambda: table, routing_generation=lambda: 7)

    return made


def test_routes_are_listed_in_the_order_of_precedence(view_of):
    found = routes(view_of("web", "api=/api strip=/api", "shop=shop.example.com/cart response-timeout=5s"))
    assert (found["generation"], found["total"], found["matching"]) == (7, 3, 3)
    assert [(row["match"], row["service"], row["route"]) for row in found["routes"]] == [
        ("shop.example.com/cart", "shop", "shop.example.com/cart response-timeout=5s"),
        ("/api", "api", "/api strip=/api"),
        ("/", "web", ""),
    ]
    assert {row["source"] for row in found["routes"]} == {"--service"}


def test_routes_are_filtered_and_paged(view_of):
    view = view_of(*(f"s{n % 2}=h{n}.example.com" for n in range(10)))
    assert {row["service"] for row in routes(view, service="s1")["routes"]} == {"s1"}
    assert routes(view, host="H3.EX")["matching"] == 1
    page = routes(view, offset=8, limit=5)
    assert (len(page["routes"]), page["offset"], page["matching"]) == (2, 8, 10)
    assert routes(view, offset=99)["routes"] == []


def test_a_page_is_bounded(view_of):
    view = view_of(*(f"a=/p{n}" for n in range(MOST_ROWS + 5)))
    assert len(routes(view, limit=10**6)["routes"]) == MOST_ROWS


def test_requests_are_shown_if_they_are_counted(view_of):
    view = view_of("web", "api=/api")
    assert routes(view)["counted"] is False
    counted = routes(replace(view, route_totals=lambda: {("api", "/api"): [5, 1]}))
    assert counted["counted"] is True
    assert [(row["service"], row["requests"], row["errors"]) for row in counted["routes"]] == [
        ("api", 5, 1),
        ("web", 0, 0),
    ]
