"""Records as the proxy would leave them, for the tests of what reads them."""

from pylb.http1.parser import Request
from pylb.model import Endpoint
from pylb.observe.record import Record
from pylb.policy.backend import Backend
from pylb.policy.lease import Lease


def backend(address="10.0.0.1", port=80, *, counters=None, service="web"):
    endpoint = Endpoint(service, address, port)
    return Backend(endpoint, counters and counters.allocate(endpoint))


def attempt(to, *, started=100.0, connect=None, head=None, status=0, error=None):
    """`connect`: None for a reused connection, seconds until a fresh one was open, -1 if it never was."""
    tried = Lease(None, to, started)
    tried.reused = connect is None
    tried.connected = started + connect if connect not in (None, -1) else 0.0
    tried.head = started + head if head is not None else 0.0
    tried.status, tried.error = status, error
    return tried


def record(*attempts, status=200, duration=0.002, lines=b"\nHost: a.example", **fields):
    done = Record("192.0.2.7", 100.0)
    done.request = Request(b"GET", b"/", 1, lines)
    done.finished = 100.0 + duration
    done.service = "web"
    done.status = status
    done.attempts.extend(attempts)
    for name, value in fields.items():
        if name in ("method", "target", "version", "host"):
            setattr(done.request, name, value)
        else:
            setattr(done, name, value)
    return done
