"""The imbalance of origins, and the bound for several workers."""

import json
import urllib.request

import pytest

from bench.balance.busy_origin import Site
from bench.balance.imbalance import ALONE, APART, evaluate
from bench.balance.live import send
from bench.lib.machine import Cores
from bench.lib.ports import free_ports
from bench.lib.repository import module_command
from bench.lib.server import serve


def test_the_imbalance_compares_the_busiest_with_the_mean_at_each_arrival():
    site = Site([1, 2])
    site.begin(1)
    assert site.imbalance() == 1.0, "one request, and a mean of a half"
    site.begin(2)
    site.begin(2)
    assert site.imbalance() == pytest.approx((0 + 1 / 3) / 2)
    site.end(1)
    site.begin(2)
    assert site.imbalance() == 1.0, "three, and a mean of one and a half"
    assert site.imbalance() == 0.0, "nothing since"


def test_the_first_tenth_of_the_arrivals_is_excluded():
    site = Site([1, 2])
    for port in (1, *[2, 1] * 4, 2):
        site.begin(port)
    uneven = [((number + 1) // 2) / (number / 2) - 1 for number in range(1, 11)]
    assert site.imbalance() == pytest.approx(sum(uneven[1:]) / 9)


def test_requests_take_the_given_time_concurrently(tmp_path):
    ports = free_ports(2)
    command = module_command("bench.balance.busy_origin", *map(str, ports))
    with serve("origins", command, ports[-1], tmp_path, Cores.split().load) as server:
        server.wait_until_ready("/imbalance")
        together, alone = send(ports, [[(0.0, 0.2), (0.0, 0.2)], [(0.0, 0.0)]])
        with urllib.request.urlopen(f"{server.url}/imbalance", timeout=10) as answer:
            assert json.load(answer) > 0
    assert all(0.2 - 0.005 <= each < 0.4 for each in together)
    assert alone[0] < min(together)


@pytest.mark.parametrize(("two", "holds"), [((0.063, 0.061), True), ((0.067, 0.068), False)])
def test_two_workers_may_be_at_most_the_margin_above_one(two, holds):
    verdict = evaluate(
        {ALONE: [0.060, 0.061], "2 workers": list(two), "8 workers": [0.06, 0.06], APART: [0.09, 0.09]}
    )
    assert verdict.holds is holds
    assert verdict.rows[-1][1].startswith("9.00 %: +48.8%"), "counting alone has no bound"
