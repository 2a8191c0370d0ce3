"""What is written down of requests and of pylb itself, and where."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import ClassVar

from pylb.config.kinds import FLAG, OTLP, PATH, Url, choice, integer
from pylb.config.option import Group, option
from pylb.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Logging(Group):
    """What pylb says of itself."""

    title: ClassVar = "Logging"
    shared: ClassVar = True

    log_level: str = option(
        choice("debug", "info", "warning", "error"), "info", "The least important message on standard error."
    )


@dataclass(frozen=True, kw_only=True)
class AccessLog(Group):
    """What is written of requests."""

    title: ClassVar = "Access log"

    access_log: str = option(
        choice("off", "combined", "json"), "off", "One line per request on standard output, in this form."
    )
    access_log_file: str | None = option(
        PATH, None, "Where to write it instead; the file is opened again on SIGUSR1, once it was moved away."
    )
    access_log_sample: int = option(
        integer(1, 100), "100", "Percentage of the requests that are written; those that failed all are."
    )

    def check(self) -> None:
        """Refuse a file for a log that is off."""
        super().check()
        if self.access_log_file and self.access_log == "off":
            raise UsageError("--access-log-file: expected --access-log combined or json with it")


@dataclass(frozen=True, kw_only=True)
class Traces(Group):
    """How requests are followed through several programs."""

    title: ClassVar = "Traces"

    traceparent: bool = option(
        FLAG,
        "off",
        "Be a step of the trace that a request's traceparent names, or begin one (W3C); if off, pass it on.",
    )
    trace_sample: int = option(
        integer(0, 100),
        "100",
        "Percentage of the traces begun here that are recorded; of others, whoever began them decides.",
    )
    otlp: Url | None = option(
        OTLP,
        None,
        "Where recorded requests are sent as spans, by OTLP over HTTP; implies --traceparent.",
    )

    def check(self) -> None:
        """Refuse to export without what does it."""
        super().check()
        if self.otlp and not (find_spec("opentelemetry") and find_spec("opentelemetry.exporter")):
            raise UsageError("--otlp: expected its packages to be there: pip install 'pylb[tracing]'")
