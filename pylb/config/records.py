"""Options for records: the log, the access log and traces."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import ClassVar

from pylb.config.kinds import FLAG, OTLP, PATH, Url, choice, integer, integer_or_off
from pylb.config.option import Group, option
from pylb.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Logging(Group):
    """The log of pylb itself."""

    title: ClassVar = "Logging"
    shared: ClassVar = True

    log_level: str = option(
        choice("debug", "info", "warning", "error"),
        "info",
        "Minimum severity of log messages on standard error.",
    )


@dataclass(frozen=True, kw_only=True)
class AccessLog(Group):
    """The log of requests."""

    title: ClassVar = "Access log"

    access_log: str = option(
        choice("off", "combined", "json"),
        "off",
        "Write one line per request to standard output, in this format.",
    )
    access_log_file: str | None = option(
        PATH, None, "Write the access log to this file instead. pylb reopens it on SIGUSR1, for log rotation."
    )
    access_log_sample: int = option(
        integer(1, 100), "100", "Percentage of requests that are logged. Failed requests are always logged."
    )

    route_metrics: bool = option(
        FLAG, "off", "Count requests and errors by route in /metrics, up to 1000 routes separately."
    )
    record_requests: int = option(
        integer_or_off(100_000),
        "off",
        "Number of recent requests (method, host, path without query, service) that pylb keeps in memory for "
        "`pylb plan`.",
    )

    def check(self) -> None:
        """Reject a file for a log that is off."""
        super().check()
        if self.access_log_file and self.access_log == "off":
            raise UsageError("--access-log-file: expected --access-log combined or json with it")


@dataclass(frozen=True, kw_only=True)
class Traces(Group):
    """Distributed tracing of requests."""

    title: ClassVar = "Traces"

    traceparent: bool = option(
        FLAG,
        "off",
        "Take part in W3C traces: continue the trace of a request's traceparent header, or begin one. When "
        "off, the header is forwarded unchanged.",
    )
    trace_sample: int = option(
        integer(0, 100),
        "100",
        "Percentage of traces begun by pylb that are recorded. Other traces keep the sampling decision in "
        "their traceparent.",
    )
    otlp: Url | None = option(
        OTLP,
        None,
        "Collector that receives recorded requests as spans, by OTLP over HTTP; implies --traceparent. By "
        "default, none are sent.",
    )

    def check(self) -> None:
        """Reject the export of spans without the packages that it needs."""
        super().check()
        if self.otlp and not (find_spec("opentelemetry") and find_spec("opentelemetry.exporter")):
            raise UsageError("--otlp: required packages are not installed; run: pip install 'pylb[tracing]'")
