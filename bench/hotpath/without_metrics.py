"""pylb without request metrics. The difference to the real pylb is the cost of metrics."""

from __future__ import annotations

import sys

from pylb import cli
from pylb.observe.metrics import Metrics
from pylb.observe.record import Record


def ignore(_metrics: Metrics, _record: Record) -> None:
    """Replaces `Metrics.count`."""


if __name__ == "__main__":
    Metrics.count = ignore  # type: ignore[method-assign, assignment]
    sys.exit(cli.main())
