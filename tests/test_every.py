import pytest

from tests.every import every

FINE_AND_TWO_THAT_FAIL = [("a", 1), ("b", 0), ("c", 3), ("d", -1)]


def test_every_case_runs_and_each_that_fails_is_named(capsys):
    seen = []

    @every(("letter", "number"), FINE_AND_TWO_THAT_FAIL)
    def check(letter, number, capsys):
        seen.append(letter)
        if number < 0:
            pytest.fail("negative")
        assert number

    with pytest.raises(BaseExceptionGroup, match="2 of 4 cases") as failure:
        check(capsys=capsys)
    assert seen == ["a", "b", "c", "d"]
    assert [error.__notes__ for error in failure.value.exceptions] == [
        ["case: ('b', 0)"],
        ["case: ('d', -1)"],
    ]


def test_cases_can_be_crossed():
    @every("number", [1, 2], ids=lambda number: f"number {number}")
    @every("letter", "ab")
    def check(number, letter):
        assert (number, letter) != (2, "b")

    with pytest.raises(ExceptionGroup) as failure:
        check()
    (outer,) = failure.value.exceptions
    assert outer.__notes__ == ["case: number 2"]
    assert [inner.__notes__ for inner in outer.exceptions] == [["case: 'b'"]]


class TestMethods:
    @every("number", [1, 2])
    def test_a_method_can_have_cases(self, number, tmp_path):
        assert number
        assert tmp_path.exists()
