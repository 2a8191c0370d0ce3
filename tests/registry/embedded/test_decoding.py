import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pylb.registry.embedded.decoding import (
    DecodeError,
    boolean,
    decode,
    duration,
    integer,
    listing,
    mapping,
    nested,
    string,
    strings,
)
from pylb.registry.embedded.literals import MAX_DURATION
from tests.every import every

SHAPE = {
    "name": ("name", string),
    "port": ("port", integer),
    "on": ("on", boolean),
    "wait": ("wait", duration),
    "tags": ("tags", strings),
    "meta": ("meta", mapping(string, "map[string]string")),
    "part": ("part", nested({"name": ("name", string)}, "Part", "Part.*")),
    "parts": ("parts", listing(nested({"name": ("name", string)}, "Part"), "Parts")),
}


def test_an_object_in_full():
    body = {
        "NAME": "web",
        "Port": 80,
        "on": True,
        "wait": "1.5s",
        "Tags": ["a", None],
        "meta": {"k": "v", "none": None},
        "part": {"Name": "p"},
        "parts": [{"name": "q"}, {}],
    }
    assert decode(json.dumps(body).encode(), SHAPE) == {
        "name": "web",
        "port": 80,
        "on": True,
        "wait": 1.5,
        "tags": ["a"],
        "meta": {"k": "v"},
        "part": {"name": "p"},
        "parts": [{"name": "q"}, {}],
    }


@every(
    ("value", "seconds"),
    [('"1.5s"', 1.5), ("1500000000", 1.5), ("1.5e9", 1.5), ("true", 0), ("[]", 0), ("{}", 0), ('"-1s"', -1)],
)
def test_durations(value, seconds):
    assert decode(f'{{"wait": {value}}}'.encode(), SHAPE)["wait"] == seconds


def test_a_duration_beyond_the_range_is_limited():
    assert decode(b'{"wait": 1e400}', SHAPE)["wait"] == pytest.approx(MAX_DURATION)
    assert decode(b'{"wait": -1' + b"0" * 400 + b"}", SHAPE)["wait"] == pytest.approx(-MAX_DURATION)


@pytest.mark.parametrize("body", [b"null", b"{}", b' {"name": null} rest'])
def test_empty_values(body):
    assert decode(body, SHAPE) == {}


def test_half_a_surrogate_pair_becomes_a_replacement_character():
    assert decode(rb'{"name": "a\ud800b"}', SHAPE)["name"] == "a\ufffdb"


@every(
    ("body", "reason"),
    [
        ("", "EOF"),
        ('{"name": "a', "unexpected EOF"),
        ("[1,", "unexpected EOF"),
        ('{"name":"a",}', "invalid character '}' looking for beginning of object key string"),
        ("{'name'", "invalid character '\\'' looking for beginning of object key string"),
        ("[1 2]", "invalid character '2' after array element"),
        ('{"name" 1}', "invalid character '1' after object key"),
        ('{"none": 1}', 'json: unknown field "none"'),
        ('{"wait": "5"}', 'time: missing unit in duration "5"'),
        ("[" * 100_000, "exceeded max depth"),
        ("[]", "json: cannot unmarshal array into Go value of type object"),
        ('{"name": 1}', "json: cannot unmarshal number into Go struct field .name of type string"),
        ('{"port": 1.5}', "json: cannot unmarshal number 1.5 into Go struct field .port of type int"),
        ('{"port": true}', "json: cannot unmarshal bool into Go struct field .port of type int"),
        ('{"on": 1}', "json: cannot unmarshal number into Go struct field .on of type bool"),
        ('{"tags": {}}', "json: cannot unmarshal object into Go struct field .tags of type []string"),
        ('{"meta": []}', "json: cannot unmarshal array into Go struct field .meta of type map[string]string"),
        ('{"part": 1}', "json: cannot unmarshal number into Go struct field .part of type Part"),
        (
            '{"part": {"name": 1}}',
            "json: cannot unmarshal number into Go struct field Part.name of type string",
        ),
        ('{"parts": {}}', "json: cannot unmarshal object into Go struct field .parts of type Parts"),
    ],
)
def test_invalid_bodies_are_rejected(body, reason):
    with pytest.raises(DecodeError) as rejection:
        decode(body.encode(), SHAPE)
    assert str(rejection.value) == reason


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(list(SHAPE)), inner, max_size=4)
    ),
    max_leaves=8,
)


@given(st.binary(max_size=30) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_body_is_decoded_or_rejected(body):
    with suppress(DecodeError):
        assert isinstance(decode(body, SHAPE), dict)
