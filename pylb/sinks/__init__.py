"""Where request records go besides the counters: access log, OpenTelemetry."""
