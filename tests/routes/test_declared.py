from pylb.model import Endpoint
from pylb.routes.declared import MOST_ROUTES, Declared, read_declared


def declared(*tags, **meta):
    return read_declared(Endpoint("web", "10.0.0.1", 80, tags=tags, meta=tuple(meta.items())))


def test_routes_stand_in_metadata_and_tags():
    assert declared("lb_route=/a", "lb_route=/b strip=/b", "web", lb_route_2="/c", LB_ROUTE="/d") == Declared(
        ("/a", "/b strip=/b", "/d", "/c")
    )
    assert declared("lb_route=/a", lb_route="/a").routes == ("/a",)


def test_settings_have_the_names_of_options_and_metadata_counts():
    assert declared("lb_response_timeout=1s", lb_response_timeout=" 2s ", lb_policy="random").settings == (
        ("policy", "random"),
        ("response-timeout", "2s"),
    )


def test_settings_of_an_instance_are_not_those_of_its_service():
    keys = [
        "lb_weight",
        "lb_maxconn",
        "lb_max_conn",
        "lb_priority",
        "lb_probe",
        "lb_slowstart",
        "lb_tls",
        "lb_tls_name",
        "lb_protocol",
        "lb_zone",
    ]
    assert declared(*(f"{key}=1" for key in keys), "lb_=1", "lb_X-Y=2", "lb_tls") == Declared()


def test_the_number_of_routes_is_bounded():
    many = declared(*(f"lb_route=/{number}" for number in range(MOST_ROUTES + 5)))
    assert (len(many.routes), many.surplus) == (MOST_ROUTES, 5)
