"""Observation: records, counters, gauges, the access log's formats, metrics, and the history of changes.

Rules: observation never influences a decision about a request. Counting is an addition to memory that the
process owns, without locks, and costs the same whether or not anything reads it. Nothing here opens a file or
a socket; `sinks` and `admin` do.

Glossary:
    Record: the facts of one request, filled in during the request, passed to observers once at its end.
    Attempt: one try to get a response from one backend; a record has one entry per attempt.
    Termination code: HAProxy's two letters for the cause and the phase of a request's end.
    Slot: the counters of one backend or one service: a fixed array of integers (`counter_layout`).
    Row: the part of the shared memory that one process writes.
    Gauge: a current value of one backend or process, reset when the process ends.
    Counters: assigns slots to backends and services; in a worker, `WorkerCounters` receives the assignment.
    Family: one exported metric: name, kind, help and samples (`exposition`).
    Sample: rates and latencies of one second, for the dashboard.
    History: the changes of pools, each with its cause and its times: seen, applied, routed.
"""
