"""Who is told of the end of each request besides the counters: the access log, the collector of traces."""

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

if TYPE_CHECKING:
    from pylb.sinks.otlp import OtlpExporter

Observer = Callable[[Record], None]


class Sinks:
    """Those of one process.

    Args:
        options: what the user wants.
        lock: what is locked while lines are written, if other processes write to the same place.

    Raises:
        StartError: the log's file cannot be written.
    """

    def __init__(self, options: Options, *, lock: int | None = None) -> None:
        self._writer: LogWriter | None = None
        self._spans: OtlpExporter | None = None
        self._observers: list[Observer] = []
        if options.access_log != "off":
            self._writer = LogWriter(options.access_log_file or sys.stdout.fileno(), lock=lock)
            self._observers.append(access_log(options, self._writer))
        if options.otlp:
            # Only who exports needs the library, and the time that it takes to import.
            self._spans = resolve_name("pylb.sinks.otlp:OtlpExporter")(str(options.otlp))
            self._observers.append(self._spans.add)

    def beside(self, count: Observer) -> Observer:
        """What is called at the end of each request: `count`, and whoever else there is."""
        if not self._observers:
            return count
        observers = (count, *self._observers)

        def observe(record: Record) -> None:
            for each in observers:
                each(record)

        return observe

    @property
    def lines_dropped(self) -> int:
        """Lines of the access log that were lost, since the start."""
        return self._writer.dropped if self._writer else 0

    def reopen(self) -> None:
        """Somebody has moved the log's file away: go on in a new one."""
        if self._writer:
            self._writer.reopen()

    def close(self) -> None:
        """Write and send what is left, for a moment at most."""
        if self._writer:
            self._writer.close()
        if self._spans:
            self._spans.close()


def access_log(options: Options, writer: LogWriter) -> Observer:
    """What writes a record as a line of the access log, or lets it be."""
    line = FORMATS[options.access_log]().line
    share = options.access_log_sample / 100

    def write(record: Record) -> None:
        writer.write(line(record, time()))

    def write_some(record: Record) -> None:
        if record.status >= 500 or record.termination != NORMAL or random() < share:
            writer.write(line(record, time()))

    return write if share == 1 else write_some
