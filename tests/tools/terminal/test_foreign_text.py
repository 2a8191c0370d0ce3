"""A program that registers a service chooses texts that operators see; these texts control no terminal."""

from dataclasses import replace

import pytest
from aiohttp import web

from pylb.model import Endpoint, Excluded
from pylb.observe.history import Entry
from pylb.tools.terminal.top import backends, services

EVIL = "x\n\x1b]0;pwned\x07\x1b[2J\r\x9b1m\u202e[/red][link=http://evil.example]"
SHOWN = r"x\n\x1b]0;pwned\x07\x1b[2J\r\x9b1m\u202e[/red][link=http://evil.example]"


@pytest.fixture
def registry_of_evil(view, know, monkeypatch):
    """Instances whose ids, addresses, tags and check outputs are all hostile."""
    monkeypatch.setenv("COLUMNS", "2000")
    one = Endpoint("web", "127.0.0.1", 80, id=EVIL, tags=(EVIL,))
    two = Endpoint("web", "127.0.0.1", 81, id=f"2{EVIL}", status="critical")
    know("web", one, excluded=(Excluded(two, f"critical: {EVIL}"),))
    know("web", replace(one, weight=2), excluded=(Excluded(two, f"critical: {EVIL}"),))
    know("web", excluded=(Excluded(one, f"critical: {EVIL}"),))
    view.watches["web"].error = f"Consul: {EVIL}"
    view.watches["web"].untrusted_reason = EVIL
    view.history.entries.append(Entry(9, 0.0, EVIL, 1, EVIL, (EVIL,), (EVIL,), (EVIL,), 1, EVIL))


@pytest.mark.usefixtures("command", "registry_of_evil")
@pytest.mark.parametrize("arguments", [["top", "--once"], ["history"], ["explain", "GET", f"/{EVIL}"]])
async def test_foreign_text_is_escaped_in_every_table(pylb, command, capsys, arguments):
    await command(*arguments, "--admin", pylb)
    captured = capsys.readouterr()
    assert captured.err == ""
    assert all(line.isprintable() for line in captured.out.split("\n"))
    assert SHOWN in captured.out


@pytest.mark.parametrize("make", [services, backends])
def test_markup_in_foreign_text_is_not_interpreted(make):
    """Rich raises an error for a closing tag without an opening one, and follows links."""
    row = dict.fromkeys(("service", "id", "address", "state", "why"), "[/red]")
    numbers = {
        "protocol": "h2",
        "weight": 1,
        "in_flight": 0,
        "requests": [],
        "traffic": None,
        "generation": 1,
    }
    table = make({"services": [row | numbers | {"age_seconds": 1}], "backends": [row | numbers]})
    assert {str(cell) for column in table.columns for cell in column.cells} >= {"[/red]"}
    plain = [cell for column in table.columns for cell in column.cells if isinstance(cell, str)]
    assert "[/red]" not in plain


async def test_an_error_of_another_program_is_one_escaped_line(aiohttp_server, command, capsys):
    app = web.Application()

    async def refuse(_):
        return web.json_response({"error": EVIL}, status=403)

    app.router.add_get("/{path:.*}", refuse)
    server = await aiohttp_server(app)
    assert await command("history", "--admin", f"127.0.0.1:{server.port}") == 1
    assert capsys.readouterr().err == f"pylb: --admin: 127.0.0.1:{server.port} refuses: {SHOWN}\n"
