"""Each duty of the sweep runs every time, also after exceptions of others."""

import asyncio
import logging

import pytest

from pylb.proxy import sweep
from pylb.proxy.sweep import Sweep
from tests.certificates import Authority, presented
from tests.environment import HOST, Environment, answers
from tests.proxy.tls.test_certificates import serve
from tests.until import until


@pytest.fixture(autouse=True)
def _often(monkeypatch):
    monkeypatch.setattr(sweep, "PERIOD", 0.001)


@pytest.mark.logs_error("troubled failed; it is tried again")
async def test_an_exception_of_a_duty_affects_neither_the_others_nor_the_sweep(caplog):
    ran, trouble = [], [OSError("listing"), OSError("listing"), ValueError("reading"), None, OSError("again")]

    def before(now):
        ran.append("before")

    def troubled(now):
        ran.append("troubled")
        if trouble and (error := trouble.pop(0)):
            raise error

    def after(now):
        ran.append("after")

    crashes = []
    swept = Sweep(before, troubled, after)
    swept.on_crash = lambda name, error: crashes.append(f"{name}: {error}")
    swept.start()
    swept.start()
    await until(lambda: len(ran) >= 21)
    swept.stop()
    assert ran[:21] == ["before", "troubled", "after"] * 7
    assert [str(record.exc_info[1]) for record in caplog.records] == ["listing", "reading", "again"]
    assert set(caplog.messages) == {"troubled failed; it is tried again every 0.001 s"}
    assert crashes == ["troubled: listing", "troubled: reading", "troubled: again"]


async def test_the_sweep_reports_its_delay_and_ends_when_stopped():
    late = []
    swept = Sweep()
    swept.add(lambda now: late.append(now - swept.due))
    swept.start()
    await until(lambda: len(late) >= 5)
    assert late[0] == -float("inf")
    assert all(-0.01 < each < 5 for each in late[1:])
    swept.stop()
    swept.stop()
    count = len(late)
    await asyncio.sleep(0.01)
    assert len(late) == count


@pytest.mark.logs_error(r"certificates have changed but cannot be used")
async def test_a_missing_certificate_directory_does_not_stop_timeouts(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    authority = Authority(tmp_path / "signed")
    live = tmp_path / "live"
    live.mkdir()

    def sign():
        for path, suffix in zip(authority.sign("shop.example"), (".crt", ".key"), strict=True):
            (live / f"shop{suffix}").unlink(missing_ok=True)
            (live / f"shop{suffix}").symlink_to(path)

    sign()
    async with Environment(head_timeout=0.01) as environment:
        await environment.origin(answers())
        certificates = presented([], str(live))
        await serve(environment, certificates)
        live.rename(tmp_path / "away")
        certificates.refresh()
        environment.server._look_at_certificates = 0.0
        await until(lambda: environment.server._look_at_certificates)
        client = (await environment.client()).send(b"GET / HTTP/1.1\r\n" + HOST)
        assert (await client.answer())[0] == 408
        before = certificates._contexts
        (tmp_path / "away").rename(live)
        sign()
        certificates.refresh()
        assert certificates._contexts is not before
    (line,) = [record.message for record in caplog.records if record.levelname == "ERROR"]
    assert line.endswith(f"the former ones stay: {live}: No such file or directory")
