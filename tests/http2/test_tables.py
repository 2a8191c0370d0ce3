from hpack.table import HeaderTable
from hypothesis import given
from hypothesis import strategies as st

from pylb.http2.tables import DEFAULT_SIZE, FIRST_DYNAMIC, STATIC, DynamicTable

SMALL = b"a", b"b"
SMALL_SIZE = 34
fields = st.tuples(st.binary(max_size=40), st.binary(max_size=40))


def test_the_static_table_is_that_of_the_rfc():
    assert STATIC[1:] == HeaderTable.STATIC_TABLE
    assert FIRST_DYNAMIC == 62


@given(st.lists(fields | st.integers(0, 200), max_size=30))
def test_entries_and_evictions_are_those_of_the_oracle(steps):
    table, oracle = DynamicTable(), HeaderTable()
    assert table.max_size == oracle.maxsize == DEFAULT_SIZE
    for step in steps:
        before, changes = (table.max_size, list(table.entries)), table.changes
        if isinstance(step, int):
            table.resize(step)
            oracle.maxsize = step
        else:
            table.insert(step)
            oracle.add(*step)
        assert list(table.entries) == list(oracle.dynamic_entries)
        after = table.max_size, list(table.entries)
        assert table.changes > changes or before == after, "a change is counted"


def test_an_entry_that_does_not_fit_empties_the_table_but_does_not_change_an_empty_one():
    table = DynamicTable()
    table.resize(SMALL_SIZE)
    changes = table.changes
    table.insert((b"a", b"bc"))
    assert (list(table.entries), table.changes) == ([], changes)
    table.insert(SMALL)
    table.insert((b"a", b"bc"))
    assert (list(table.entries), table.changes) == ([], changes + 2)


def test_the_same_size_is_no_change():
    table = DynamicTable()
    table.insert(SMALL)
    changes = table.changes
    table.resize(DEFAULT_SIZE)
    assert table.changes == changes
    table.resize(SMALL_SIZE - 1)
    assert (list(table.entries), table.changes) == ([], changes + 1)
