"""What one worker finds out about a backend, the others go by as well."""

import re
from datetime import datetime

import pytest

pytestmark = pytest.mark.slow


async def test_a_refused_connection_is_reported_to_all_workers(program):
    pylb = program("--suspect-time", "30s", "--log-level", "debug")
    dead, _ = await pylb.origin(), await pylb.origin()
    dead.close()
    await pylb.start()
    for _ in range(4):
        await pylb.get("/", admin=False)
    found = await pylb.logged(
        rf"(\S+ \S+) WARNING worker (\d) .*{dead.endpoint.authority} is suspect for 30 s"
    )
    other = 3 - int(found[2])
    heard = await pylb.logged(
        rf"(\S+ \S+) DEBUG   worker {other} .*another worker: {dead.endpoint.authority} is suspect"
    )
    assert seconds(heard[1]) - seconds(found[1]) < 1, "a millisecond is usual"
    # The kernel chooses a worker by the client's port: so many connections reach both.
    for _ in range(24):
        assert (await pylb.get("/", admin=False)) == (200, "web-2")
    # On a busy machine the other worker may have tried it before it heard, but not afterwards.
    suspicions = [line for line in pylb.lines if re.search("is suspect for", line)]
    assert all(stamp(line) <= heard[1] for line in suspicions)


def stamp(line):
    return " ".join(line.split()[:2])


def seconds(stamp):
    return datetime.strptime(stamp, "%Y-%m-%d %H:%M:%S,%f").timestamp()
