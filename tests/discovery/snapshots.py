"""Short constructors of snapshots."""

from pylb.model import Endpoint, Excluded, Snapshot


def endpoint(number, *, port=None, **fields):
    return Endpoint(
        "web",
        "127.0.0.1",
        port or 9000 + number,
        dc="dc1",
        node="n1",
        **{"id": f"web-{number}", **fields},
    )


def snapshot(*numbers, critical=(), warning=(), maintenance=(), untrusted_reason=""):
    """web-1, web-2, ... by number: those that may be used, and those that may not."""
    states = [("critical", critical), ("warning", warning), ("maintenance", maintenance)]
    excluded = [Excluded(endpoint(n, status=status), status) for status, ns in states for n in ns]
    return Snapshot(
        "web", tuple(map(endpoint, numbers)), tuple(excluded), cause="test", untrusted_reason=untrusted_reason
    )


def numbers(snapshot):
    return [e.port - 9000 for e in snapshot.endpoints]
