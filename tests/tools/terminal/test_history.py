from pylb.model import Endpoint, Excluded

ONE, TWO = (Endpoint("web", f"10.0.0.{n}", 80, id=f"web-{n}") for n in (1, 2))


async def test_changes_are_listed_with_cause_and_reason(pylb, know, command, capsys):
    know("web", ONE)
    know("web", TWO, excluded=(Excluded(ONE, "critical: refused"),))
    know("api")
    assert await command("history", "--admin", pylb) == 0
    header, first, second, third = capsys.readouterr().out.splitlines()
    assert header.split() == ["Time", "Service", "Change", "Cause", "Up", "Applied", "First", "request"]
    assert "+web-1" in first
    assert "consul index 7" in first
    assert "+web-2 -web-1 (critical: refused)" in second
    assert "api" in third


async def test_history_can_be_filtered(pylb, know, command, capsys):
    for _ in range(3):
        know("web", ONE)
        know("api")
    assert await command("history", "--admin", pylb, "--service", "web", "--last", "2") == 0
    lines = capsys.readouterr().out.splitlines()[1:]
    assert len(lines) == 2
    assert all("web" in line for line in lines)
