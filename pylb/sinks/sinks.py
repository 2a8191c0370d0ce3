"""The observers of completed requests besides the counters: access log, recent requests, trace exporter."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pkgutil import resolve_name
from random import random
from time import time
from typing import TYPE_CHECKING

from pylb.config import Options
from pylb.errors import NORMAL
from pylb.observe.accesslog import FORMATS
from pylb.observe.record import Record
from pylb.sinks.log_writer import LogWriter
from pylb.sinks.recent_requests import RecentRequests
from pylb.sinks.route_counts import RouteCounts

if TYPE_CHECKING:
    from pylb.sinks.otlp import OtlpExporter

Observer = Callable[[Record], None]


class Sinks:
    """The sinks of one process.

    Args:
        options: the options of pylb.
        lock: descriptor that is locked during writes, if other processes write to the same place.

    Raises:
        StartError: the file of the access log cannot be written.
    """

    def __init__(self, options: Options, *, lock: int | None = None) -> None:
        self._writer: LogWriter | None = None
        self._otlp: OtlpExporter | None = None
        self._observers: list[Observer] = []
        if options.access_log != "off":
            self._writer = LogWriter(options.access_log_file or sys.stdout.fileno(), lock=lock)
            self._observers.append(access_log(options, self._writer))
        self.route_counts = RouteCounts() if options.route_metrics else None
        """The counts of requests by route; None if they are not counted."""
        if self.route_counts is not None:
            self._observers.append(self.route_counts.add)
        self.recent = RecentRequests(options.record_requests) if options.record_requests else None
        """The requests since they were last taken; None if they are not recorded."""
        if self.recent is not None:
            self._observers.append(self.recent.add)
        if options.otlp:
            # The library is imported only if needed: its import takes long.
            self._otlp = resolve_name("pylb.sinks.otlp:OtlpExporter")(str(options.otlp))
            self._observers.append(self._otlp.add)

    def beside(self, count: Observer) -> Observer:
        """Return an observer that calls `count` and then each sink, at the end of each request."""
        if not self._observers:
            return count
        observers = (count, *self._observers)

        def observe(record: Record) -> None:
            for each in observers:
                each(record)

        return observe

    def forget(self, service: str) -> None:
        """Remove what is kept of a service, which was removed."""
        if self.route_counts is not None:
            self.route_counts.forget(service)

    @property
    def lines_dropped(self) -> int:
        """Access log lines dropped since the start."""
        return self._writer.dropped if self._writer else 0

    def reopen(self) -> None:
        """Reopen the file of the access log after it was moved away."""
        if self._writer:
            self._writer.reopen()

    def close(self) -> None:
        """Write and send what is queued, with a short time-out."""
        if self._writer:
            self._writer.close()
        if self._otlp:
            self._otlp.close()


def access_log(options: Options, writer: LogWriter) -> Observer:
    """Return an observer that writes records to the access log, sampled as the options require."""
    line = FORMATS[options.access_log]().line
    share = options.access_log_sample / 100

    def write(record: Record) -> None:
        writer.write(line(record, time()))

    def write_some(record: Record) -> None:
        if record.status >= 500 or record.termination != NORMAL or random() < share:
            writer.write(line(record, time()))

    return write if share == 1 else write_some
