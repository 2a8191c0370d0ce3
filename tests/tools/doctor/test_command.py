import asyncio
import json
import sys

import pytest

from pylb.config.parse import parse
from pylb.errors import UsageError
from pylb.registry.embedded import DevRegistry
from pylb.tools.doctor.command import DoctorOptions, as_json, as_text
from pylb.tools.doctor.facts import Finding

FINDING = Finding("dns", "what is seen", "why", "what helps")


def test_findings_as_text():
    assert as_text([FINDING, FINDING]) == (
        "what is seen\n  cause: why\n  cure:  what helps\n\nwhat is seen\n  cause: why\n  cure:  what helps\n"
    )
    assert as_text([]) == ""


def test_findings_as_json():
    assert json.loads(as_json([FINDING])) == [
        {"rule": "dns", "what": "what is seen", "cause": "why", "cure": "what helps"}
    ]
    assert json.loads(as_json([])) == []


EVIL = "x\n\x1b[2J\x9b1m\u202e"


def test_text_from_a_registry_cannot_control_the_terminal():
    findings = [Finding("dns", EVIL, EVIL, EVIL)]
    assert len(as_text(findings).splitlines()) == 3
    assert all(line.isprintable() for line in as_text(findings).split("\n"))
    assert json.loads(as_json(findings))[0]["what"] == EVIL
    assert as_json(findings).isascii()
    assert all(line.isprintable() for line in as_json(findings).split("\n"))


def test_something_to_check_is_required():
    with pytest.raises(UsageError, match="--docker or --pylb"):
        parse(DoctorOptions, ["--pylb", "off"], {})


async def doctor(*arguments):
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pylb", "doctor", "--pylb", "off", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert err == b""
    return process.returncode, out.decode()


@pytest.mark.slow
async def test_the_exit_code_shows_whether_there_are_findings():
    registry = DevRegistry()
    await registry.start()
    assert await doctor("--consul", registry.address) == (0, "")
    code, words = await doctor("--consul", registry.address, "--service", "web")
    assert code == 3
    assert words.startswith("web: Consul has no instance\n  cause: ")
    code, words = await doctor("--consul", registry.address, "--service", "web", "--json")
    assert [each["rule"] for each in json.loads(words)] == ["no-instance"]
    await registry.stop()
