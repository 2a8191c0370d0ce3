from bench.failure.slow_clients import Outcome


def test_a_quantile_is_a_latency_that_was_measured():
    outcome = Outcome("", 1, 0, [float(n) for n in range(100)], 0, 0, 0)
    assert [outcome.quantile(share) for share in (0.5, 0.99, 1)] == [50, 99, 99]
