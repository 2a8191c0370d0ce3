"""The summary of several rounds."""

import pytest

from bench.lib.sample import Sample, summarize


def sample(peer, number, user, system, errors=0):
    return Sample("small", peer, number, user, system, 1000.0, 1.0, 2.0, 10.0, 5000, errors)


def test_figures_are_the_medians_of_the_rounds():
    rounds = [sample("pylb", 1, 10, 20), sample("pylb", 2, 12, 20), sample("pylb", 3, 90, 90)]
    summary = summarize(rounds, "nginx")["small"]["pylb"]
    assert (summary.user, summary.system, summary.cpu) == (12, 20, 32)


def test_a_ratio_compares_samples_of_the_same_round():
    noisy = [
        *(sample("nginx", 1, 10, 10), sample("pylb", 1, 15, 15)),
        *(sample("nginx", 2, 20, 20), sample("pylb", 2, 30, 30)),
        *(sample("nginx", 3, 40, 40), sample("pylb", 3, 60, 60)),
    ]
    summaries = summarize(noisy, "nginx")["small"]
    assert summaries["pylb"].ratio == pytest.approx(1.5)
    assert summaries["nginx"].ratio == 1


def test_a_round_without_the_reference_is_not_part_of_the_ratio():
    interrupted = [sample("nginx", 1, 10, 10), sample("pylb", 1, 20, 20), sample("pylb", 2, 90, 90)]
    assert summarize(interrupted, "nginx")["small"]["pylb"].ratio == 2


def test_there_is_no_ratio_without_the_reference():
    assert summarize([sample("pylb", 1, 10, 10)], "nginx")["small"]["pylb"].ratio is None


def test_spread_is_half_the_range_as_a_share_of_the_median():
    rounds = [sample("pylb", 1, 40, 50), sample("pylb", 2, 50, 50), sample("pylb", 3, 60, 60)]
    assert summarize(rounds, "nginx")["small"]["pylb"].spread == pytest.approx(0.15)


def test_errors_of_all_rounds_add_up():
    rounds = [sample("pylb", 1, 1, 1, errors=2), sample("pylb", 2, 1, 1), sample("pylb", 3, 1, 1, errors=3)]
    assert summarize(rounds, "nginx")["small"]["pylb"].errors == 5
