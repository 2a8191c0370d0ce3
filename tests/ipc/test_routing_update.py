import orjson
from hypothesis import given
from hypothesis import strategies as st

from pylb.ipc.routing_update import RoutingUpdate, encode_declaration, encode_update
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
