from pylb.config import Options
from pylb.config.option import in_force
from pylb.supervisor.fixed_options import FIXED, changed, fixed


def test_each_fixed_option_exists():
    assert set(FIXED) <= in_force(Options()).keys()


def test_changed_options_are_named():
    before = fixed(Options(workers=2, policy="random"))
    assert changed(before, Options(workers=2, policy="round-robin")) == []
    assert changed(before, Options(workers=3, shutdown_delay=1.0)) == ["--workers", "--shutdown-delay"]
    del before["--workers"]
    assert changed(before, Options(workers=3)) == [], "what another version did not have has not changed"
