"""Frames for tests of displays."""

from pylb.tools.demo.display import Frame, Link
from pylb.tools.demo.scoreboard import Row, Summary

LINKS = [Link("Browser", "http://127.0.0.1:8080/", "port 80 is in use"), Link("Terminal", "curl here")]
COMMAND = 'curl -X PUT -d \'{"Name": "web",\n"ID": "web-3"}\''


def frame(requests=8, errors=1, command=COMMAND, traffic=False, rows=None):
    """Two instances that are up, and one that is excluded."""
    rows = rows or (
        Row("web-1", "127.0.0.1:41001", "up", up=True, requests=6, in_flight=2, share=0.75),
        Row("web-2", "127.0.0.1:41002", "up", up=True, requests=2, share=0.25),
        Row("web-7", "127.0.0.1:41007", "excluded", up=False, reason="critical: connection refused"),
    )
    return Frame(Summary(rows, requests, errors, 12.5), command, traffic, {"127.0.0.1:41001": 4711})
