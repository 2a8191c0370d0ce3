"""One access log of several processes: whole lines, and a new file when the old one was moved away."""

import json
import signal

import pytest

from tests.until import until

pytestmark = pytest.mark.slow


async def test_usr1_reopens_the_file_in_every_process_without_losing_a_line(program, tmp_path):
    path = tmp_path / "access.log"
    pylb = program("--access-log", "json", "--access-log-file", str(path))
    await pylb.origin()
    await pylb.start()
    async with pylb.clients(8) as clients:
        await clients.more()
        moved = path.rename(tmp_path / "access.log.1")
        pylb.send(signal.SIGUSR1)
        await pylb.logged(r"worker \d .*reopened ", 2)
        await until(path.exists)
        size = moved.stat().st_size
        await clients.more()
    assert clients.failures == {}

    def lines():
        return [json.loads(line) for each in (moved, path) for line in each.read_text().splitlines()]

    await until(lambda: len(lines()) >= clients.total, 20)
    assert len(lines()) == clients.total
    assert {line["status"] for line in lines()} == {200}
    assert moved.stat().st_size == size, "nothing is written to the old file any more"
