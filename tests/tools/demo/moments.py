"""Something to show."""

from pylb.tools.demo.display import Moment, Sign
from pylb.tools.demo.scoreboard import Row, Standing

SIGNS = [Sign("Browser", "http://127.0.0.1:8080/", "port 80 is not free"), Sign("Terminal", "curl here")]
BY_HAND = 'curl -X PUT -d \'{"Name": "web",\n"ID": "web-3"}\''


def moment(requests=8, errors=1, by_hand=BY_HAND, traffic=False, rows=None):
    """Two instances that are up, and one that is ill."""
    rows = rows or (
        Row("web-1", "127.0.0.1:41001", "up", up=True, requests=6, in_flight=2, share=0.75),
        Row("web-2", "127.0.0.1:41002", "up", up=True, requests=2, share=0.25),
        Row("web-7", "127.0.0.1:41007", "excluded", up=False, reason="critical: nobody there"),
    )
    return Moment(Standing(rows, requests, errors, 12.5), by_hand, traffic, {"127.0.0.1:41001": 4711})
