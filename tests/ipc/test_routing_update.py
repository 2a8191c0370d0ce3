from collections import deque

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pylb.ipc.routing_update import (
    RoutingReader,
    RoutingUpdate,
    encode_declaration,
    encode_message,
    encode_update,
)
from pylb.routes.declaration import declare
from pylb.routes.grammar import parse_route
from tests.routes.declarations import declarations


@given(
    st.builds(
        RoutingUpdate,
        st.integers(0, 1 << 62),
        st.dictionaries(st.text(), st.none() | declarations, max_size=3),
        st.booleans(),
    )
)
def test_an_update_is_decoded_unchanged(update):
    assert RoutingUpdate.from_dict(orjson.loads(update.to_bytes())) == update


@given(declarations)
def test_an_update_is_put_together_from_encoded_declarations(declaration):
    update = encode_update(7, {"a": encode_declaration(declaration), "b": None}, complete=True)
    assert update == RoutingUpdate(7, {"a": declaration, "b": None}, complete=True).to_bytes()


def message(generation, complete=False, **texts):
    """A message as a worker receives it, with a route for each service; None removes it."""
    declared = {name: text and declare([parse_route(name, text)])[0] for name, text in texts.items()}
    encoded = {name: each and encode_declaration(each) for name, each in declared.items()}
    return orjson.loads(encode_message(generation, encoded, complete=complete))


@given(st.dictionaries(st.text(), declarations, max_size=3))
def test_a_message_is_decoded_unchanged(declared):
    applied = []
    encoded = {name: encode_declaration(each) for name, each in declared.items()}
    steps = RoutingReader(applied.append).read(orjson.loads(encode_message(7, encoded, complete=True)))
    assert len([*steps]) == len(declared)
    assert applied == [RoutingUpdate(7, declared, complete=True)]


def test_what_has_been_applied_is_not_decoded_again():
    applied = []
    reader = RoutingReader(applied.append)

    def read(*arguments, **texts):
        deque(reader.read(message(*arguments, **texts)), maxlen=0)
        update = applied[-1]
        return {*update.changed}, {*update.unchanged}

    assert read(1, True, a="/a", b="/b", c="/c") == ({"a", "b", "c"}, set())
    assert read(2, a="/new", b=None) == ({"a", "b"}, set())
    assert read(3, True, a="/new", b="/b", c="/c") == ({"b"}, {"a", "c"})
    assert read(4, True, b="/b") == (set(), {"b"})
    assert read(5, c="/c") == ({"c"}, set())


def test_an_update_that_was_not_applied_is_decoded_again():
    applied = []

    def apply(update):
        applied.append({*update.changed})
        if len(applied) == 1:
            raise OSError("disk")

    reader = RoutingReader(apply)
    with pytest.raises(OSError, match="disk"):
        deque(reader.read(message(1, a="/a")), maxlen=0)
    deque(reader.read(message(1, a="/a")), maxlen=0)
    assert applied == [{"a"}, {"a"}]
