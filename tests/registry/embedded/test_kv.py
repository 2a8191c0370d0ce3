from hypothesis import given
from hypothesis import strategies as st

from pylb.registry.embedded.blocking import Changes
from pylb.registry.embedded.kv import KeyValues, branches

KEYS = st.text("ab/", min_size=1, max_size=4)
PREFIXES = ["", "a", "a/", "b", "ab/"]
WRITES = st.one_of(
    st.tuples(st.just("put"), KEYS, st.binary(max_size=1)),
    st.tuples(st.just("delete"), KEYS),
    st.tuples(st.just("delete_tree"), KEYS),
)


def apply(store, model, write):
    match write:
        case "put", key, value:
            assert store.put(key, value, 0, None)
            model[key] = value
        case "delete", key:
            assert store.delete(key, None)
            model.pop(key, None)
        case "delete_tree", prefix:
            store.delete_tree(prefix)
            for key in [key for key in model if key.startswith(prefix)]:
                del model[key]


@given(st.lists(WRITES, max_size=25))
def test_the_store_behaves_like_a_dictionary(writes):
    store, model = KeyValues(Changes()), {}
    for write in writes:
        apply(store, model, write)
        for prefix in PREFIXES:
            found = [(entry.key, entry.value) for entry in store.under(prefix).content]
            assert found == sorted((k, v) for k, v in model.items() if k.startswith(prefix))


@given(st.lists(WRITES, max_size=25))
def test_no_answer_changes_without_a_newer_index(writes):
    store, model = KeyValues(Changes()), {}

    def answers():
        return [store.under(prefix) for prefix in PREFIXES] + [store.get(key) for key in ("a", "b/", "ab")]

    before = answers()
    for write in writes:
        apply(store, model, write)
        after = answers()
        for old, new in zip(before, after, strict=True):
            assert new.index >= 1
            assert new.content == old.content or new.index > old.index
        before = after


def test_check_and_set():
    store = KeyValues(Changes())
    assert not store.put("key", b"a", 0, expected=1)
    assert store.put("key", b"a", 0, expected=0)
    index = store.get("key").index
    assert not store.put("key", b"b", 0, expected=0)
    assert store.put("key", b"b", 0, expected=index)
    assert not store.delete("key", expected=index)
    assert store.get("key").content.value == b"b"


def test_branches():
    store = KeyValues(Changes())
    for key in ("a", "d", "d/1", "d/sub/3", "d/sub/4", "e/"):
        store.put(key, b"", 0, None)

    def cut(prefix, separator):
        return branches(store.under(prefix).content, prefix, separator)

    assert cut("", "/") == ["a", "d", "d/", "e/"]
    assert cut("d/", "/") == ["d/1", "d/sub/"]
    assert cut("d", "sub") == ["d", "d/1", "d/sub"]
    assert cut("d/", "") == ["d/1", "d/sub/3", "d/sub/4"]
