"""Destinations of completed requests: the access log and the exporter of traces.

Rules: a sink receives a `Record` at the end of a request and returns at once. Slow destinations cost lines or
spans, which are counted, and never delay a request. A sink that is not enabled is not called, and its library
is not imported. Sinks do not format (see `observe.accesslog`) and do not count (see `observe.metrics`).

Glossary:
    Observer: a function that receives the record of each completed request.
    Sinks: the sinks of one process, combined with the counters into one observer.
    Log writer: a thread that writes queued lines in batches; it drops lines if their reader is too slow.
    OTLP exporter: converts records to OpenTelemetry spans and sends them to a collector.
"""
