from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from pylb.routes.actions import Actions, FieldAction, Redirect, Response, Verb
from pylb.routes.grammar import parse_route, parse_service
from pylb.routes.match import ANY_HOST, Host, Labels, Match, PathKind
from pylb.routes.route import Route, Share
from pylb.routes.text import route_text, service_text
from tests.every import every


@every("text", ["web", "api=/api", "shop=a.example", "a=a.example/cart method=GET weight=5"])
def test_a_route_is_written_as_it_was_read(text):
    assert service_text(parse_service(text)) == text


def test_a_root_path_that_is_compared_otherwise_is_written():
    route = parse_service("a=/ path=exact")
    assert service_text(route) == "a=/ path=exact"
    assert route_text(route) == "/ path=exact"


SEGMENT = st.text("ab=;~%", min_size=1, max_size=3).map(lambda text: text.replace("%", "%2F"))
PATH = st.lists(SEGMENT, min_size=1, max_size=3).map(lambda parts: "/" + "/".join(parts))
NAME = st.sampled_from(["X-A", "x-b", "Accept"])
VALUE = st.text("a '\"\\=,$-é".replace("é", ""), max_size=6).map(lambda text: f"v{text}v")
WORD = st.text("abz-09", min_size=1, max_size=5).map(lambda text: f"k{text}")
FIELD = st.one_of(
    st.builds(FieldAction, st.sampled_from([Verb.SET, Verb.ADD]), NAME, VALUE),
    st.builds(FieldAction, st.just(Verb.REMOVE), NAME),
)
FIELDS = st.lists(FIELD, max_size=3).map(tuple)
PAIRS = st.lists(st.tuples(NAME.map(str.lower), VALUE), max_size=2).map(tuple)
NETWORKS = st.lists(st.sampled_from(["10.0.0.0/8", "::1"]), max_size=2).map(tuple)
ANSWER = st.sampled_from(
    [
        {},
        {"redirect": Redirect(302, "https://$host/x$path")},
        {"respond": Response(404, "it is gone")},
        {"respond": Response(200)},
    ]
)


@st.composite
def routes(draw):
    host = draw(st.sampled_from([ANY_HOST, Host("a.example"), Host("b.example", Labels.ANY)]))
    path = draw(st.just("") | PATH)
    kind = draw(st.sampled_from(PathKind)) if path else PathKind.SEGMENTS
    match = Match(
        host,
        path,
        kind,
        methods=draw(st.sampled_from([(), ("GET",), ("GET", "POST")])),
        headers=draw(PAIRS),
        queries=draw(PAIRS),
        scheme=draw(st.sampled_from(["", "http", "https"])),
    )
    actions = Actions(
        allow=draw(NETWORKS),
        deny=draw(NETWORKS),
        strip=draw(st.lists(PATH, max_size=2).map(tuple)),
        by_characters=kind in {PathKind.PREFIX, PathKind.GLOB},
        rewrite=draw(st.none() | st.tuples(PATH, PATH | st.just(""))),
        prepend=draw(st.just("") | PATH),
        host=draw(st.sampled_from(["", "dst", "x.example:80"])),
        fields=draw(FIELDS),
        response_fields=draw(FIELDS),
        **draw(ANSWER),
    )
    share = draw(
        st.none()
        | st.builds(Share, st.sampled_from([0.0, 0.05, 20.0]), st.sampled_from(["", "client", "cookie:u"]))
    )
    settings = tuple(draw(st.dictionaries(WORD, VALUE, max_size=2)).items())
    return Route(draw(st.sampled_from(["web", "my-api_2"])), match, actions, share, settings)


@given(routes())
def test_what_is_written_is_read_as_the_same_route(route):
    assert parse_service(service_text(route)) == route
    assert parse_route(route.service, route_text(route)) == route
    assert "\n" not in service_text(replace(route))
