import pytest

from pylb.containers.conventions import image_name, metadata, service_name, split_tags
from tests.containers.inspected import container
from tests.every import every


def settings(port=80, **about):
    made = container(**about)
    return dict(metadata(made, next(p for p in made.ports if p.number == port)).values)


def name(**about):
    made = container(**about)
    return service_name(made, made.ports[0])


def test_keys_lose_the_prefix_and_their_case():
    assert settings(env={"SERVICE_NAME": "web", "PATH": "/bin", "SERVICE_Region": "eu"}) == {
        "name": "web",
        "region": "eu",
    }


def test_labels_take_precedence_over_the_environment():
    assert settings(env={"SERVICE_NAME": "env"}, labels={"SERVICE_NAME": "label"}) == {"name": "label"}


def test_settings_of_a_port_take_precedence():
    assert settings(env={"SERVICE_80_NAME": "env"}, labels={"SERVICE_NAME": "label"}) == {"name": "env"}


def test_settings_of_another_port_are_ignored():
    assert settings(env={"SERVICE_81_NAME": "other"}) == {}


@every(
    ("about", "expected"),
    [
        ({"env": {"SERVICE_NAME": "shop"}}, "shop"),
        ({"image": "registry.example:5000/shop/web:1.2"}, "web"),
        ({"env": {"SERVICE_80_NAME": "front", "SERVICE_NAME": "shop"}}, "front"),
        ({"env": {"SERVICE_NAME": "shop"}, "exposed": ["80/tcp", "81/tcp"]}, "shop-80"),
        ({"env": {"SERVICE_80_NAME": "front"}, "exposed": ["80/tcp", "81/tcp"]}, "front"),
        ({"exposed": ["80/tcp", "81/tcp"]}, "web-80"),
        ({"env": {"SERVICE_IGNORE": "yes"}}, ""),
        ({"env": {"SERVICE_80_IGNORE": "1", "SERVICE_NAME": "web"}}, ""),
        ({"env": {"SERVICE_IGNORE": ""}}, "web"),
    ],
)
def test_names_of_services(about, expected):
    assert name(**about) == expected


@pytest.mark.parametrize(
    ("published", "internal", "expected"),
    [
        (["80/tcp"], False, "web"),
        (["80/tcp"], True, "web-80"),
        (["80/tcp", "443/tcp"], False, "web-80"),
    ],
)
def test_names_have_port_suffixes_only_with_several_registered_ports(published, internal, expected):
    places = {key: [("0.0.0.0", 8080)] for key in published}
    made = container(exposed=["80/tcp", "443/tcp"], published=places, env={"SERVICE_NAME": "web"})
    assert service_name(made, made.ports[0], internal=internal) == expected


def test_a_variable_for_an_invalid_port_is_ignored():
    assert settings(env={"SERVICE_080_NAME": "x", f"SERVICE_{'9' * 5000}_NAME": "y"}) == {}


def test_explicit_accepts_only_named_ports():
    made = container()
    assert service_name(made, made.ports[0], explicit=True) == ""


@pytest.mark.parametrize(
    ("image", "expected"),
    [("web", "web"), ("web:1", "web"), ("h:5000/a/web:1@sha256:ab", "web"), ("web@sha256:ab", "web")],
)
def test_image_names(image, expected):
    assert image_name(image) == expected


@pytest.mark.parametrize(
    ("text", "tags"),
    [("", ()), ("a", ("a",)), ("b, a", ("b", "a")), (r"a\,b,c", ("a,b", "c")), ("a,,b,", ("a", "b"))],
)
def test_tags_keep_their_order(text, tags):
    assert split_tags(text) == tags


@pytest.mark.parametrize("text", ["x", "-1", "65536", "1.5", "١"])
def test_an_invalid_weight_is_rejected_with_a_message(text):
    made = container(env={"SERVICE_LB_WEIGHT": text})
    with pytest.raises(ValueError, match=f"SERVICE_LB_WEIGHT: got '{text}', expected a number from 0"):
        metadata(made, made.ports[0]).weight("lb_weight")


@pytest.mark.parametrize(("env", "weight"), [({}, 1), ({"SERVICE_LB_WEIGHT": "5"}, 5)])
def test_weights_are_parsed(env, weight):
    made = container(env=env)
    assert metadata(made, made.ports[0]).weight("lb_weight") == weight
