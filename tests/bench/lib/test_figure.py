"""Figures of several rounds, and which of two is better."""

import pytest

from bench.lib.figure import Comparison, Count, Figure, number


@pytest.mark.parametrize(
    ("value", "shown"),
    [(1234.5, "1,234"), (123.45, "123.5"), (23.45, "23.4"), (2.345, "2.35"), (-0.5, "-0.50")],
)
def test_a_number_has_three_significant_digits(value, shown):
    assert number(value) == shown


def test_a_figure_is_the_median_with_half_the_range():
    figure = Figure.of([40.0, 30.0, 32.0])
    assert (figure.median, figure.low, figure.high, figure.spread) == (32, 30, 40, 5)
    assert str(figure) == "32.0 ± 5.0"


@pytest.mark.parametrize(
    ("rounds", "shown"),
    [
        ([0, 0, 0], "0"),
        ([22, 19, 25], "22 ± 3"),
        ([0, 0, 1], "0 ± 1"),
        ([4, 7], "6 ± 2"),
        ([18859, 16345], "17,602 ± 1,257"),
    ],
)
def test_a_count_has_no_decimals_and_a_difference_is_never_shown_as_zero(rounds, shown):
    assert str(Count.of(rounds)) == shown


def comparison(**rounds):
    return Comparison("CPU", {name: Figure.of(values) for name, values in rounds.items()})


def test_a_figure_is_better_if_it_is_lower_by_more_than_both_spreads():
    found = comparison(pylb=[29, 30, 31], nginx=[24, 25, 26], haproxy=[20, 20, 20], envoy=[27, 28.5, 29])
    assert list(found.better_than("pylb")) == ["haproxy", "nginx"]


def test_a_higher_figure_can_be_better():
    figures = {"pylb": Figure.of([30]), "nginx": Figure.of([40]), "caddy": Figure.of([5])}
    assert list(Comparison("requests/s", figures, more_is_better=True).better_than("pylb")) == ["nginx"]


def test_nothing_is_better_than_a_missing_figure():
    assert comparison(nginx=[1]).better_than("pylb") == {}
