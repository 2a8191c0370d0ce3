import os
from math import inf

import pytest

from pylb.runtime.cpus import quota, usable_cpus


@pytest.fixture
def machine(tmp_path):
    """A root directory with these control groups."""

    def make(groups, **files):
        (tmp_path / "proc/self").mkdir(parents=True)
        (tmp_path / "proc/self/cgroup").write_text(groups)
        for name, text in files.items():
            path = tmp_path / "sys/fs/cgroup" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    return make


@pytest.mark.parametrize(
    ("groups", "files", "cpus"),
    [
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 1.5),
        ("0::/\n", {"cpu.max": "max 100000\n"}, inf),
        ("0::/a/b\n", {"a/cpu.max": "200000 100000\n", "a/b/cpu.max": "max 100000\n"}, 2.0),
        ("0::/a/b\n", {"a/cpu.max": "200000 100000\n", "a/b/cpu.max": "50000 100000\n"}, 0.5),
        ("0::/a\n", {}, inf),
        (
            "3:cpuset:/\n2:cpu,cpuacct:/docker/x\n0::/\n",
            {"cpu/docker/x/cpu.cfs_quota_us": "300000\n", "cpu/docker/x/cpu.cfs_period_us": "100000\n"},
            3.0,
        ),
        (
            "2:cpu:/\n",
            {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"},
            inf,
        ),
        ("0::/\n", {"cpu.max": "nonsense\n"}, inf),
    ],
)
def test_the_lowest_limit_of_all_ancestors_applies(machine, groups, files, cpus):
    assert quota(machine(groups, **files)) == cpus


def test_without_control_groups_there_is_no_quota(tmp_path):
    assert quota(tmp_path) == inf
    assert usable_cpus(tmp_path) == len(os.sched_getaffinity(0))


def test_a_fraction_of_a_cpu_is_rounded_up(machine):
    assert usable_cpus(machine("0::/\n", **{"cpu.max": "10000 100000\n"})) == 1


def test_the_cpu_affinity_is_a_limit(machine):
    root = machine("0::/\n", **{"cpu.max": "6400000 100000\n"})
    allowed = os.sched_getaffinity(0)
    assert usable_cpus(root) == len(allowed)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        assert usable_cpus(root) == 1
    finally:
        os.sched_setaffinity(0, allowed)
