"""What happened to a request, never why: records, counters, the access log."""
